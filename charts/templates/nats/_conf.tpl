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

{{/* nats-server's configuration: who may do what, and how they log in (ADR 5, ADR 8). */}}
{{- define "wasmcloud.nats.conf" -}}
{{- $fullname := include "wasmcloud.fullname" . -}}
{{- $byPassword := include "wasmcloud.nats.byPassword" . -}}
{{- $tls := .Values.global.tls.enabled -}}
{{- $environments := include "wasmcloud.nats.environments" . | fromJsonArray -}}
{{- /* A fifth is the file system's own, and room for what is deleted later than it is counted: a stream that meets a full disk
   takes nothing more until the server starts again. */ -}}
{{- $room := div (mul 4 (include "wasmcloud.bytes" .Values.nats.persistence.size | int64)) 5 -}}
server_name: $POD_NAME
# Of both IP families: so Go means it.
host: "0.0.0.0"
port: 4222
http_port: 8222
pid_file: "/run/nats/nats.pid"
max_payload: {{ int64 .Values.nats.maxPayload }}
debug: false
trace: false
jetstream {
  store_dir: "/data"
  max_file_store: {{ $room }}
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
      max_file: {{ div (mul $room $.Values.nats.replicas) (len $environments) }}
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
