{{/*
The certificates that this release needs, as a JSON list of {secret, namespace, commonName, dnsNames, ipAddresses}. The
DNS name of a role's certificate is its user on NATS (ADR 0005).
*/}}
{{- define "wasmcloud.certificates" -}}
{{- $names := .Values.global.certificates -}}
{{- $fullname := include "wasmcloud.fullname" . -}}
{{- $wanted := list -}}
{{- if .Values.nats.enabled -}}
{{- $service := printf "%s-nats" $fullname -}}
{{- $inside := printf "%s.%s" $service .Release.Namespace -}}
{{- $pods := printf "*.%s-nats-pods.%s.svc" $fullname .Release.Namespace -}}
{{- $dns := list $service $inside (printf "%s.svc" $inside) (printf "%s.svc.cluster.local" $inside) $pods "localhost" -}}
{{- $wanted = append $wanted (dict
      "secret" $names.natsCertSecretName "namespace" .Release.Namespace "commonName" "wasmcloud-nats"
      "dnsNames" (concat $dns .Values.nats.certificate.dnsNames)
      "ipAddresses" (concat (list "127.0.0.1") .Values.nats.certificate.ipAddresses)) -}}
{{- end -}}
{{- $roles := list -}}
{{- if .Values.operator.enabled -}}
{{- $roles = append $roles (dict "role" "operator" "namespace" .Release.Namespace) -}}
{{- end -}}
{{- range include "wasmcloud.groupNamespaces" . | fromJsonArray -}}
{{- $roles = append $roles (dict "role" "runtime" "namespace" .) -}}
{{- end -}}
{{- range concat $roles (include "wasmcloud.dataLogins" . | fromJsonArray) -}}
{{- $login := merge (dict "root" $) . -}}
{{- $wanted = append $wanted (dict
      "secret" (include "wasmcloud.nats.certificate" $login) "namespace" .namespace
      "commonName" (printf "wasmcloud-%s" .role) "dnsNames" (list (include "wasmcloud.nats.user" $login)) "ipAddresses" list) -}}
{{- end -}}
{{- range include "wasmcloud.groups" . | fromJsonArray -}}
{{- if and .http.enabled .http.tls.enabled (not .http.tls.certificate.secretName) -}}
{{- $inside := printf "%s.%s" .fullname .namespace -}}
{{- $wanted = append $wanted (dict
      "secret" (printf "%s-http-tls" .fullname) "namespace" .namespace "commonName" "wasmcloud-host"
      "dnsNames" (concat (list .fullname $inside (printf "%s.svc" $inside)) .http.tls.certificate.generate.domains)
      "ipAddresses" .http.tls.certificate.generate.ipAddresses) -}}
{{- end -}}
{{- end -}}
{{- toJson $wanted -}}
{{- end -}}
