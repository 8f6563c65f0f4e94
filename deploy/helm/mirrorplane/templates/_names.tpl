{{- define "mirrorplane.labels" -}}
app.kubernetes.io/name: mirrorplane
{{- end }}
{{- define "mirrorplane.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- define "mirrorplane.mutating" -}}
admissionReviewVersions: [v1]
clientConfig:
  service:
    name: mirrorplane
    namespace: {{ .Release.Namespace }}
    path: /mutate
    port: 443
rules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE]
    resources: [pods]
    scope: Namespaced
failurePolicy: {{ .Values.failurePolicy.injection }}
sideEffects: None
timeoutSeconds: 5
reinvocationPolicy: IfNeeded
{{- end }}
