{{- /* The login as settings of the worker: files are used anew when the Secret changes, variables at the next start. */ -}}
{{- define "worker.loginEnv" -}}
{{- $logins := compact (list .Values.nats.credentials .Values.nats.nkey .Values.nats.token .Values.nats.userPassword) }}
{{- if gt (len $logins) 1 }}
{{- fail "only one of nats.credentials, nkey, token and userPassword can be used to log in" }}
{{- end }}
{{- with .Values.nats.credentials }}
- name: NATS_CREDS
  value: /var/run/secrets/nats/{{ default "nats.creds" .key }}
{{- end }}
{{- with .Values.nats.nkey }}
- name: NATS_NKEY
  value: /var/run/secrets/nats/{{ default "nkey" .key }}
{{- end }}
{{- with .Values.nats.token }}
- name: NATS_TOKEN
  valueFrom: { secretKeyRef: { name: {{ .secretName }}, key: {{ default "token" .key }} } }
{{- end }}
{{- with .Values.nats.userPassword }}
- name: NATS_USER
  valueFrom: { secretKeyRef: { name: {{ .secretName }}, key: {{ default "username" .userKey }} } }
- name: NATS_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ .secretName }}, key: {{ default "password" .passwordKey }} } }
{{- end }}
{{- with .Values.nats.tls }}
- name: NATS_CA
  value: /var/run/secrets/nats-tls/{{ default "ca.crt" .caKey }}
{{- if .certKey }}
- name: NATS_CERT
  value: /var/run/secrets/nats-tls/{{ .certKey }}
- name: NATS_KEY
  value: /var/run/secrets/nats-tls/{{ .keyKey }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Name of the Secret whose keys are needed as files; empty when none is. */ -}}
{{- define "worker.loginSecret" -}}
{{- with coalesce .Values.nats.credentials .Values.nats.nkey }}{{ .secretName }}{{ end -}}
{{- end }}
