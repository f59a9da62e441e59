{{/* The environments that have an account for data, as a JSON list; "" stands for hosts without one. */}}
{{- define "wasmcloud.nats.environments" -}}
{{- $environments := list -}}
{{- range include "wasmcloud.dataLogins" . | fromJsonArray -}}
{{- $environments = append $environments .environment -}}
{{- end -}}
{{- toJson ($environments | default (list "") | uniq | sortAlpha) -}}
{{- end -}}

{{/* All who log in, as a JSON list of {role, environment}. */}}
{{- define "wasmcloud.nats.roles" -}}
{{- $roles := list (dict "role" "operator") (dict "role" "runtime") -}}
{{- range include "wasmcloud.nats.environments" . | fromJsonArray -}}
{{- $roles = append $roles (dict "role" "data" "environment" .) -}}
{{- end -}}
{{- toJson $roles -}}
{{- end -}}

{{/* A quantity of Kubernetes, such as 1.5Gi, in bytes: nats-server knows no fractions. */}}
{{- define "wasmcloud.bytes" -}}
{{- $unit := regexFind "[a-zA-Z]*$" . -}}
{{- $factors := dict "" 1 "m" 0.001 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000
      "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (trimSuffix $unit . | float64) (get $factors $unit) | int64 -}}
{{- end -}}

{{/* nats-server's configuration: who may do what, and how they log in (ADR 5, ADR 8). */}}
{{- define "wasmcloud.nats.conf" -}}
{{- $fullname := include "wasmcloud.fullname" . -}}
{{- $byPassword := include "wasmcloud.nats.byPassword" . -}}
{{- $tls := .Values.global.tls.enabled -}}
{{- $environments := include "wasmcloud.nats.environments" . | fromJsonArray -}}
{{- $volume := include "wasmcloud.bytes" .Values.nats.persistence.size | int64 -}}
server_name: $POD_NAME
host: {{ include "wasmcloud.anyAddress" . | trimAll "[]" | quote }}
port: 4222
http_port: 8222
pid_file: "/run/nats/nats.pid"
max_payload: {{ int64 .Values.nats.maxPayload }}
debug: false
trace: false
jetstream {
  store_dir: "/data"
  max_file_store: {{ $volume }}
}
{{- if $tls }}
# The certificate is the credential: its DNS name is the user.
tls {
  cert_file: "/etc/nats/tls/tls.crt"
  key_file: "/etc/nats/tls/tls.key"
  ca_file: "/etc/nats/tls/ca.crt"
  verify_and_map: true
  timeout: 5
}
{{- end }}
accounts {
  control {
    users: [
      {
        user: {{ include "wasmcloud.nats.user" (dict "root" $ "role" "operator") | quote }}
        {{- if $byPassword }}
        password: $OPERATOR_PASSWORD
        {{- end }}
        permissions {
          publish: ["runtime.host.>"]
          subscribe: ["runtime.operator.heartbeat.*", "_INBOX.>"]
        }
      }
      {
        user: {{ include "wasmcloud.nats.user" (dict "root" $ "role" "runtime") | quote }}
        {{- if $byPassword }}
        password: $RUNTIME_PASSWORD
        {{- end }}
        permissions {
          publish: ["runtime.operator.heartbeat.*"]
          subscribe: ["runtime.host.>"]
          # Longer than the operator waits for a start.
          allow_responses: { max: 1, expires: "2m" }
        }
      }
    ]
  }
  # Workloads' data: an account, which sees nothing of the others, for each environment.
  {{- range $environments }}
  {{- $login := dict "root" $ "role" "data" "environment" . }}
  {{ include "wasmcloud.nats.login" $login | replace "." "-" | quote }} {
    jetstream {
      # Copies count, too; in memory are consumers alone.
      max_file: {{ div (mul $volume $.Values.nats.replicas) (len $environments) }}
      max_mem: 0
      max_streams: {{ int $.Values.nats.maxBuckets }}
      max_consumers: 100
    }
    users: [
      {
        user: {{ include "wasmcloud.nats.user" $login | quote }}
        {{- if $byPassword }}
        password: ${{ include "wasmcloud.nats.serverVariable" $login }}
        {{- end }}
        # What a client needs to make key-value buckets and to read, write and list them.
        permissions {
          publish: [
            "$KV.>"
            "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*", "$JS.API.DIRECT.GET.>"
            "$JS.API.CONSUMER.CREATE.*", "$JS.API.CONSUMER.MSG.NEXT.*.*", "$JS.API.CONSUMER.DELETE.*.*"
          ]
          subscribe: ["_INBOX.>"]
        }
      }
    ]
  }
  {{- end }}
}
{{- if gt (int .Values.nats.replicas) 1 }}
cluster {
  name: {{ $fullname | quote }}
  port: 6222
  # Clients keep to the Service: pods' addresses are in no certificate.
  no_advertise: true
  # Hosts' certificates are of the same CA, so servers know one another by a password besides.
  authorization { user: route, password: $ROUTE_PASSWORD, timeout: 5 }
  {{- if $tls }}
  tls {
    cert_file: "/etc/nats/tls/tls.crt"
    key_file: "/etc/nats/tls/tls.key"
    ca_file: "/etc/nats/tls/ca.crt"
    verify: true
    timeout: 5
  }
  {{- end }}
  routes: $ROUTES
}
{{- end }}
{{- with .Values.nats.extraConfig }}
{{ tpl . $ }}
{{- end }}
{{- end -}}
