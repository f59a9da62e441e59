{{/* Where a pod may run: dict "of" the values "selector" the pod's labels as YAML. */}}
{{- define "wasmcloud.scheduling" -}}
{{- $selector := dict "matchLabels" (fromYaml .selector) -}}
{{- with .of.nodeSelector }}
nodeSelector: {{ include "wasmcloud.strings" . }}
{{- end }}
{{- with .of.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .of.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .of.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{ toJson (hasKey . "labelSelector" | ternary . (merge (dict "labelSelector" $selector) .)) }}
  {{- end }}
{{- end }}
affinity:
{{- with .of.affinity }}
  {{- toYaml . | nindent 2 }}
{{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector: {{ toJson $selector }}
{{- end }}
{{- end -}}

{{/*
Metadata of a pod that ends by itself, beside what is given: a service mesh's sidecar would outlive its container, and
Helm would wait for it.
*/}}
{{- define "wasmcloud.withoutSidecar" -}}
{{- $istio := dict "sidecar.istio.io/inject" "false" -}}
{{- $none := dict "labels" $istio "annotations" (merge (dict "linkerd.io/inject" "disabled") $istio) -}}
{{- toJson (merge $none .) -}}
{{- end -}}

{{/* Probes of a container that answers /healthz and /readyz: dict "probes" the values "port" a port's name. */}}
{{- define "wasmcloud.probes" -}}
{{- range $kind, $path := dict "startup" "/healthz" "liveness" "/healthz" "readiness" "/readyz" }}
{{- $probe := index $.probes $kind }}
{{- if $probe.enabled }}
{{ $kind }}Probe:
  httpGet:
    path: {{ $path }}
    port: {{ $.port }}
  periodSeconds: {{ $probe.periodSeconds }}
  timeoutSeconds: {{ $probe.timeoutSeconds }}
  failureThreshold: {{ $probe.failureThreshold }}
{{- end }}
{{- end }}
{{- end -}}

{{/* dict "root" $ "component" ... "of" its values "namespace" ... */}}
{{- define "wasmcloud.serviceAccount" -}}
{{- if .of.serviceAccount.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "wasmcloud.serviceAccountName" . | quote }}
  namespace: {{ .namespace | quote }}
  labels:
    {{- include "wasmcloud.labels" (dict "root" .root "component" .component) | nindent 4 }}
  {{- with .of.serviceAccount.annotations }}
  annotations: {{ include "wasmcloud.strings" . }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
{{- end -}}
