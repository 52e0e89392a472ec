{{- /* Where agent and operator find the API server, as the upstream chart hands it to both. */}}
{{- define "api-server" -}}
- name: KUBERNETES_SERVICE_HOST
  {{- if .Values.k8sServiceHost }}
  value: {{ .Values.k8sServiceHost | quote }}
  {{- else }}
  valueFrom:
    configMapKeyRef:
      name: {{ .Values.k8sServiceHostRef.name }}
      key: {{ .Values.k8sServiceHostRef.key }}
  {{- end }}
- name: K8S_SERVICE_HOST
  value: $(KUBERNETES_SERVICE_HOST)
- name: KUBERNETES_SERVICE_PORT
  value: {{ .Values.k8sServicePort | quote }}
{{- end }}
