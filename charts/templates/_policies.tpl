{{/* Rules that several NetworkPolicies share, as list entries. */}}

{{- define "wasmcloud.policy.dns" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - { protocol: UDP, port: {{ . }} }
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end -}}

{{/* The Kubernetes API, whose address no selector names. */}}
{{- define "wasmcloud.policy.toApi" -}}
- ports:
    {{- range .Values.networkPolicy.operator.apiPorts }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end -}}

{{/* dict "pods" the peer of the chart's own NATS "url" one that somebody gave, or "". */}}
{{- define "wasmcloud.policy.toNats" -}}
{{- if .url -}}
# NATS of one's own, wherever it is.
{{ include "wasmcloud.policy.toPorts" (dict "addresses" (splitList "," .url) "default" "4222") }}
{{- else -}}
- to:
    - {{ toJson .pods }}
  ports:
    - { protocol: TCP, port: 4222 }
{{- end -}}
{{- end -}}

{{/* To the ports of all addresses, wherever they are: dict "addresses" a list of host[:port] or URLs "default" a port. */}}
{{- define "wasmcloud.policy.toPorts" -}}
{{- $ports := list -}}
{{- range .addresses -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" (trim . | trimSuffix "/") | trimPrefix ":" | default $.default) -}}
{{- end -}}
- ports:
    {{- range uniq $ports }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end -}}

{{/* dict "root" $ "port" the port's name. */}}
{{- define "wasmcloud.policy.metrics" -}}
- ports:
    - { protocol: TCP, port: {{ .port }} }
  {{- with .root.Values.networkPolicy.metricsFrom }}
  from: {{ toJson . }}
  {{- end }}
{{- end -}}
