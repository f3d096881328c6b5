{{- define "kite-ticker.name" -}}
{{- if contains "kite-ticker" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-kite-ticker" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "kite-ticker.operator" -}}
{{ include "kite-ticker.name" . }}-operator
{{- end }}

{{- define "kite-ticker.simulator" -}}
{{ include "kite-ticker.name" . }}-simulator
{{- end }}

{{- define "kite-ticker.selector" -}}
app.kubernetes.io/name: kite-ticker
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "kite-ticker.labels" -}}
{{ include "kite-ticker.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "kite-ticker.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "kite-ticker.podSecurity" -}}
runAsNonRoot: true
{{- if .Values.podSecurity.fixedIds }}
runAsUser: 65532
runAsGroup: 65532
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "kite-ticker.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "kite-ticker.pluginRules" -}}
- apiGroups: [kiteticker.dev]
  resources: [tickeraccounts, instrumentsets]
  verbs: [get, list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [""]
  resources: [pods/proxy]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [list]
{{- end }}

{{- define "kite-ticker.loginSecrets" -}}
- kt-login-key
{{- range .Values.login.accounts }}
- kt-{{ . }}-session
{{- end }}
{{- end }}
