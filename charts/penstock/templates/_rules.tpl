{{- /* What the operator does where pools live; test/chart holds each line to a call that it makes. */ -}}
{{- define "penstock.rules" -}}
- apiGroups: [penstock.dev]
  resources: [workerpools, natsconnections]
  verbs: [list, watch]
- apiGroups: [penstock.dev]
  resources: [workerpools/status]
  verbs: [patch]
- apiGroups: ['']
  resources: [pods]
  verbs: [list, watch]
# Marks the pods that are to go at a scale-down.
- apiGroups: ['']
  resources: [pods]
  verbs: [patch]
# To give way to them.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- range .Values.rbac.scaleTargets }}
- apiGroups: [{{ .apiGroup | quote }}]
  resources: [{{ .resource }}/scale]
  verbs: [get, update]
{{- if and (eq .apiGroup "apps") (has .resource (list "deployments" "statefulsets" "replicasets")) }}
# Their replicas are watched; those of other kinds are asked for in each pass.
- apiGroups: [apps]
  resources: [{{ .resource }}]
  verbs: [list, watch]
{{- end }}
{{- end }}
{{- end }}

{{- define "penstock.roleBinding" -}}
{{- $root := index . 0 }}
{{- $kind := index . 1 }}
{{- $role := index . 2 -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $role }}
subjects:
  - kind: ServiceAccount
    name: {{ include "penstock.serviceAccountName" $root }}
    namespace: {{ $root.Release.Namespace }}
{{- end }}
