{{/*
A host group with the defaults of `runtime` filled in, as JSON: dict "root" $ "group" an entry of hostGroups. Its
`connections` to NATS are what the templates of _nats.tpl take beside "root"; "flag" is that of the host.
*/}}
{{- define "wasmcloud.group" -}}
{{- $defaults := omit .root.Values.runtime "hostGroups" -}}
{{- /* wasmCloud v2 has some of a group's values below `networking`. */ -}}
{{- $given := merge (omit .group "networking") (.group.networking | default dict) -}}
{{- $group := mergeOverwrite (deepCopy $defaults) (deepCopy $given) -}}
{{- range $key := list "env" "envFrom" "extraArgs" -}}
{{- $_ := set $group $key (concat (index $defaults $key) (get $.group $key | default list)) -}}
{{- end -}}
{{- $_ := set $group "environment" ($group.environment | default .group.namespace | default "") -}}
{{- $_ := set $group "namespace" (.group.namespace | default .root.Release.Namespace) -}}
{{- $_ := set $group "fullname" (printf "%s-host-%s" (include "wasmcloud.fullname" .root) .group.name) -}}
{{- $nats := .root.Values.global.nats -}}
{{- $connections := list (dict "flag" "scheduler" "role" "runtime" "url" ($group.schedulerNatsUrl | default $nats.schedulerUrl)) -}}
{{- $dataUrl := $group.dataNatsUrl | default $nats.dataUrl -}}
{{- if or $dataUrl .root.Values.nats.enabled -}}
{{- $connections = append $connections (dict "flag" "data" "role" "data" "environment" $group.environment "url" $dataUrl) -}}
{{- end -}}
{{- $_ := set $group "connections" $connections -}}
{{- $_ := set $group.http.tls "enabled" (and $group.http.enabled $group.http.tls.enabled) -}}
{{- include "wasmcloud.withoutNulls" $group -}}
{{- end -}}

{{/* A map as JSON, without what is null in it: Helm takes nulls out of values, but not within a list such as the groups. */}}
{{- define "wasmcloud.withoutNulls" -}}
{{- $kept := dict -}}
{{- range $key, $value := . -}}
{{- if kindIs "map" $value -}}
{{- $_ := set $kept $key (include "wasmcloud.withoutNulls" $value | fromJson) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $kept $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $kept -}}
{{- end -}}

{{/* All groups, filled in, as a JSON list. */}}
{{- define "wasmcloud.groups" -}}
{{- $groups := list -}}
{{- range .Values.runtime.hostGroups -}}
{{- $groups = append $groups (include "wasmcloud.group" (dict "root" $ "group" .) | fromJson) -}}
{{- end -}}
{{- toJson $groups -}}
{{- end -}}

{{/* The namespaces that host groups are in, as a JSON list. */}}
{{- define "wasmcloud.groupNamespaces" -}}
{{- $namespaces := list -}}
{{- range include "wasmcloud.groups" . | fromJsonArray -}}
{{- $namespaces = append $namespaces .namespace -}}
{{- end -}}
{{- toJson (uniq $namespaces | sortAlpha) -}}
{{- end -}}

{{/* The hosts that log in to the chart's own NATS for data, as a JSON list of {namespace, role, environment}. */}}
{{- define "wasmcloud.dataLogins" -}}
{{- $logins := list -}}
{{- range $group := include "wasmcloud.groups" . | fromJsonArray -}}
{{- range .connections -}}
{{- if and (eq .role "data") (not .url) -}}
{{- $logins = append $logins (dict "namespace" $group.namespace "role" .role "environment" .environment) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson (uniq $logins) -}}
{{- end -}}

{{/* The registries that any host group speaks to in plain HTTP, as a JSON list: the operator resolves Artifacts there. */}}
{{- define "wasmcloud.insecureRegistries" -}}
{{- $registries := list -}}
{{- range include "wasmcloud.groups" . | fromJsonArray -}}
{{- $registries = concat $registries .insecureRegistries -}}
{{- end -}}
{{- toJson (uniq $registries | sortAlpha) -}}
{{- end -}}

{{/* The namespaces whose workloads the operator runs, as a JSON list; empty: all. */}}
{{- define "wasmcloud.watchNamespaces" -}}
{{- if .Values.operator.clusterWide -}}
[]
{{- else if .Values.operator.watchNamespaces -}}
{{- toJson (uniq .Values.operator.watchNamespaces | sortAlpha) -}}
{{- else -}}
{{- toJson (prepend (include "wasmcloud.groupNamespaces" . | fromJsonArray) .Release.Namespace | uniq | sortAlpha) -}}
{{- end -}}
{{- end -}}
