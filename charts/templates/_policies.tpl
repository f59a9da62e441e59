{{/* Rules that several NetworkPolicies share, as list entries. */}}

{{- define "wasmcloud.policy.dns" -}}
- ports:
    - { protocol: UDP, port: 53 }
    - { protocol: TCP, port: 53 }
{{- end -}}

{{/* dict "root" $ "pods" the peer of the chart's own NATS. */}}
{{- define "wasmcloud.policy.toNats" -}}
{{- if .root.Values.nats.enabled -}}
- to:
    - {{ toJson .pods }}
  ports:
    - { protocol: TCP, port: 4222 }
{{- else -}}
# NATS of one's own, wherever it is.
- ports:
    - { protocol: TCP, port: 4222 }
{{- end -}}
{{- end -}}

{{/* dict "root" $ "port" the port's name. */}}
{{- define "wasmcloud.policy.metrics" -}}
- ports:
    - { protocol: TCP, port: {{ .port }} }
  {{- with .root.Values.networkPolicy.metricsFrom }}
  from: {{ toJson . }}
  {{- end }}
{{- end -}}
