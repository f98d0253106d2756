{{- /* The login as settings of the worker: files are used anew when the Secret changes, variables at the next start. */ -}}
{{- define "worker.loginEnv" -}}
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
{{- end }}

{{- /* Name of the Secret whose keys are needed as files; empty when none is. */ -}}
{{- define "worker.loginSecret" -}}
{{- with coalesce .Values.nats.credentials .Values.nats.nkey }}{{ .secretName }}{{ end -}}
{{- end }}
