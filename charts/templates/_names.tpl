{{/* Names and labels. Every template below takes the root context unless it says otherwise. */}}

{{- define "wasmcloud.name" -}}
{{- .Values.nameOverride | default .Values.global.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 34 characters at most: with a group of 15 and "-metrics" a Service has 63, which is all it may have. */}}
{{- define "wasmcloud.fullname" -}}
{{- $name := include "wasmcloud.name" . -}}
{{- $given := .Values.fullnameOverride | default .Values.global.fullnameOverride -}}
{{- $full := $given | default (contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name)) -}}
{{- $full | trunc 34 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that select pods: dict "root" $ "component" "operator" | "nats" | "host", and "group" for hosts. */}}
{{- define "wasmcloud.selector" -}}
app.kubernetes.io/name: {{ include "wasmcloud.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- with .group }}
wasmcloud.dev/host-group: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Labels of an object; arguments as for wasmcloud.selector. */}}
{{- define "wasmcloud.labels" -}}
{{ include "wasmcloud.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* dict "root" $ "component" "operator" | "nats" | "host" "of" its values. */}}
{{- define "wasmcloud.serviceAccountName" -}}
{{- if .of.serviceAccount.create -}}
{{- .of.serviceAccount.name | default (printf "%s-%s" (include "wasmcloud.fullname" .root) .component) -}}
{{- else -}}
{{- .of.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* A map of strings as JSON: what YAML or --set took for a number or a boolean is text again, 1000000 and not 1e+06. */}}
{{- define "wasmcloud.strings" -}}
{{- $strings := dict -}}
{{- range $key, $value := . -}}
{{- $_ := set $strings $key (kindIs "string" $value | ternary $value (toJson $value)) -}}
{{- end -}}
{{- toJson $strings -}}
{{- end -}}

{{/* dict "root" $ "image" an image's values. */}}
{{- define "wasmcloud.image" -}}
{{- if or (kindIs "int64" .image.tag) (kindIs "float64" .image.tag) -}}
{{- fail (printf "image %q: the tag %s is a number, and may have lost a digit (1.10 is 1.1): give it in quotes, or by --set-string" .image.repository (toJson .image.tag)) -}}
{{- end -}}
{{- $registry := .root.Values.global.image.registry | default .image.registry -}}
{{- $name := $registry | empty | ternary .image.repository (printf "%s/%s" $registry .image.repository) -}}
{{- printf "%s:%s" $name (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}

{{- define "wasmcloud.pullSecrets" -}}
{{- with .Values.global.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ kindIs "string" . | ternary . (get (kindIs "map" . | ternary . dict) "name") | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "wasmcloud.ipFamilies" -}}
{{- with .Values.global.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.global.ipFamilies }}
ipFamilies: {{ toJson . }}
{{- end }}
{{- end -}}

{{/* A quantity of Kubernetes, such as 1.5Gi, in bytes: nats-server knows no fractions, hosts other units. */}}
{{- define "wasmcloud.bytes" -}}
{{- $unit := regexFind "[a-zA-Z]*$" . -}}
{{- $factors := dict "" 1 "m" 0.001 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000
      "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (trimSuffix $unit . | float64) (get $factors $unit) | int64 -}}
{{- end -}}
