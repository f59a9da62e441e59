{{/*
How operator and hosts reach NATS, and who NATS takes them for. Roles: operator, runtime (a host's commands), data (what
its workloads keep), which is another login for each environment (ADR 8).
*/}}

{{- define "wasmcloud.nats.service" -}}
{{- printf "%s-nats.%s.svc" (include "wasmcloud.fullname" .) .Release.Namespace -}}
{{- end -}}

{{/* Whether roles log in to the chart's own NATS by password: only without TLS. "" is false. */}}
{{- define "wasmcloud.nats.byPassword" -}}
{{- and .Values.nats.enabled (not .Values.global.tls.enabled) | ternary "true" "" -}}
{{- end -}}

{{/* A role's name for one environment, such as data.team-a: dict "role" ... "environment" its name, or none. */}}
{{- define "wasmcloud.nats.login" -}}
{{- .environment | empty | ternary .role (printf "%s.%s" .role .environment) -}}
{{- end -}}

{{/* The DNS name in a role's certificate, which is its user on NATS: dict "root" $ "role" ... "environment" ... */}}
{{- define "wasmcloud.nats.user" -}}
{{- if .root.Values.global.tls.enabled -}}
{{- printf "%s.%s.%s" (include "wasmcloud.nats.login" .) (include "wasmcloud.fullname" .root) .root.Release.Namespace -}}
{{- else -}}
{{- include "wasmcloud.nats.login" . -}}
{{- end -}}
{{- end -}}

{{/* The URL of a role's connection: dict "root" $ "role" ... "environment" ... "url" one that somebody gave, or "". */}}
{{- define "wasmcloud.nats.url" -}}
{{- if .url -}}
{{- .url -}}
{{- else -}}
{{- $scheme := .root.Values.global.tls.enabled | ternary "tls" "nats" -}}
{{- $login := include "wasmcloud.nats.byPassword" .root | eq "true" | ternary (printf "%s:$(NATS_%s_PASSWORD)@" (include "wasmcloud.nats.login" .) (upper .role)) "" -}}
{{- printf "%s://%s%s:4222" $scheme $login (include "wasmcloud.nats.service" .root) -}}
{{- end -}}
{{- end -}}

{{/*
The variable of a role's connection, unless the user's own `env` has it, since names may not repeat: as wasmcloud.nats.url,
and "name" the variable's "env" the user's.
*/}}
{{- define "wasmcloud.nats.env" -}}
{{- $isGiven := false -}}
{{- range .env }}{{ if eq .name $.name }}{{ $isGiven = true }}{{ end }}{{ end -}}
{{- if not $isGiven }}
{{- include "wasmcloud.nats.passwordEnv" . }}
- name: {{ .name }}
  value: {{ include "wasmcloud.nats.url" . | quote }}
{{- end }}
{{- end -}}

{{/* The Secret with NATS' passwords. */}}
{{- define "wasmcloud.nats.passwords" -}}
{{- .Values.global.certificates.natsPasswordsSecretName | default (printf "%s-nats-passwords" (include "wasmcloud.fullname" .)) -}}
{{- end -}}

{{/* A role's password, for the URL's $(...): as wasmcloud.nats.url. */}}
{{- define "wasmcloud.nats.passwordEnv" -}}
{{- if and (include "wasmcloud.nats.byPassword" .root) (not .url) }}
- name: NATS_{{ upper .role }}_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "wasmcloud.nats.passwords" .root | quote }}
      key: {{ include "wasmcloud.nats.login" . }}
{{- end }}
{{- end -}}

{{/* The variable of nats-server with a role's password: as wasmcloud.nats.login. */}}
{{- define "wasmcloud.nats.serverVariable" -}}
{{- printf "%s_PASSWORD" (include "wasmcloud.nats.login" . | upper | replace "." "_" | replace "-" "_") -}}
{{- end -}}

{{/* The Secret with a role's certificate, "" for none: dict "root" $ "role" ... "environment" ... */}}
{{- define "wasmcloud.nats.certificate" -}}
{{- $secret := index .root.Values.global.certificates (printf "%sCertSecretName" .role) -}}
{{- if and .root.Values.global.tls.enabled $secret -}}
{{- .environment | empty | ternary $secret (printf "%s-%s" $secret .environment) -}}
{{- end -}}
{{- end -}}

{{/* A volume with a role's certificate: as wasmcloud.nats.certificate. */}}
{{- define "wasmcloud.nats.volumes" -}}
{{- if include "wasmcloud.nats.certificate" . }}
- name: nats-{{ .role }}-tls
  secret:
    secretName: {{ include "wasmcloud.nats.certificate" . | quote }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- define "wasmcloud.nats.volumeMounts" -}}
{{- if include "wasmcloud.nats.certificate" . }}
- name: nats-{{ .role }}-tls
  mountPath: /etc/wasmcloud/nats-{{ .role }}-tls
  readOnly: true
{{- end }}
{{- end -}}
