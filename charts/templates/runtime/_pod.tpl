{{/* The flags of a host, as list entries: dict "root" $ "group" a group, filled in. */}}
{{- define "wasmcloud.host.flags" -}}
{{- $group := .group -}}
- --host-group={{ $group.name }}
{{- with $group.environment }}
- --environment={{ . }}
{{- end }}
{{- range $key, $value := include "wasmcloud.strings" $group.hostLabels | fromJson }}
- {{ printf "--host-label=%s=%s" $key $value | toJson }}
{{- end }}
- --http-addr={{ $group.http.enabled | ternary "" "127.0.0.1" }}:{{ $group.http.port }}
{{- if $group.http.tls.enabled }}
- --tls-cert-path=/etc/wasmcloud/http-tls/tls.crt
- --tls-key-path=/etc/wasmcloud/http-tls/tls.key
{{- end }}
- --web-addr=:8081
- --oci-cache-dir=/var/cache/wasmcloud
- --oci-cache-size={{ include "wasmcloud.bytes" $group.ociCache.size }}
{{- with $group.ociCaPath }}
- {{ printf "--oci-ca-path=%s" . | toJson }}
{{- end }}
{{- range $group.insecureRegistries }}
- {{ printf "--allow-insecure-registry=%s" . | toJson }}
{{- end }}
{{- range $group.fileImages }}
- {{ printf "--allow-file-images=%s" . | toJson }}
{{- end }}
{{- range $group.allowedHosts }}
- {{ printf "--allowed-hosts=%s" . | toJson }}
{{- end }}
- --{{ $group.denySpecialRanges | ternary "" "no-" }}deny-special-ranges
- --{{ $group.denyPrivateRanges | ternary "" "no-" }}deny-private-ranges
{{- if $group.allowHostLoopback }}
- --allow-host-loopback
{{- end }}
{{- if $group.webgpu.enabled }}
- --wasi-webgpu
{{- end }}
{{- with $group.maxWorkloads }}
- --max-workloads={{ int . }}
{{- end }}
{{- with $group.maxConnections }}
- --max-connections={{ int . }}
{{- end }}
- --drain-timeout={{ $group.drainTimeoutSeconds }}
- --log-format={{ $group.logFormat }}
{{- range $group.connections }}
{{- if include "wasmcloud.nats.certificate" (merge (dict "root" $.root) .) }}
- --{{ .flag }}-nats-tls-ca=/etc/wasmcloud/nats-{{ .role }}-tls/ca.crt
- --{{ .flag }}-nats-tls-cert=/etc/wasmcloud/nats-{{ .role }}-tls/tls.crt
- --{{ .flag }}-nats-tls-key=/etc/wasmcloud/nats-{{ .role }}-tls/tls.key
{{- end }}
{{- end }}
{{- range $group.extraArgs }}
- {{ toJson . }}
{{- end }}
{{- end -}}

{{/* The Secret of a group's HTTPS certificate. */}}
{{- define "wasmcloud.host.httpsSecret" -}}
{{- .http.tls.certificate.secretName | default (printf "%s-http-tls" .fullname) -}}
{{- end -}}

{{/* Who the host is, from the pod, and where NATS is; as list entries: as wasmcloud.host.flags. */}}
{{- define "wasmcloud.host.env" -}}
- name: WASMCLOUD_HOST_POD_UID
  valueFrom: { fieldRef: { fieldPath: metadata.uid } }
- name: WASMCLOUD_HOST_FRIENDLY_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: WASMCLOUD_HOST_HOST_NAME
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
{{- range .group.connections }}
{{- $name := printf "WASMCLOUD_HOST_%s_NATS_URL" (upper .flag) }}
{{- include "wasmcloud.nats.env" (merge (dict "root" $.root "name" $name "env" $.group.env) .) }}
{{- end }}
{{- with .group.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The volumes of a host: as wasmcloud.host.flags. */}}
{{- define "wasmcloud.host.volumes" -}}
{{- $group := .group -}}
- name: tmp
  emptyDir: { sizeLimit: 256Mi }
{{- if $group.ociCache.storageClass }}
- name: cache
  ephemeral:
    volumeClaimTemplate:
      spec:
        accessModes: [ReadWriteOnce]
        storageClassName: {{ $group.ociCache.storageClass | quote }}
        resources:
          requests:
            storage: {{ $group.ociCache.size }}
{{- else }}
- name: cache
  emptyDir: { sizeLimit: {{ $group.ociCache.size }} }
{{- end }}
{{- if $group.http.tls.enabled }}
- name: http-tls
  secret:
    secretName: {{ include "wasmcloud.host.httpsSecret" $group | quote }}
    defaultMode: 0440
{{- end }}
{{- range $group.connections }}
{{- include "wasmcloud.nats.volumes" (merge (dict "root" $.root) .) }}
{{- end }}
{{- with $group.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "wasmcloud.host.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
- name: cache
  mountPath: /var/cache/wasmcloud
{{- if .group.http.tls.enabled }}
- name: http-tls
  mountPath: /etc/wasmcloud/http-tls
  readOnly: true
{{- end }}
{{- range .group.connections }}
{{- include "wasmcloud.nats.volumeMounts" (merge (dict "root" $.root) .) }}
{{- end }}
{{- with .group.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
