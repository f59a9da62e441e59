{{/* nats-server's configuration: who may do what, and how they log in (ADR 0005). */}}
{{- define "wasmcloud.nats.conf" -}}
{{- $fullname := include "wasmcloud.fullname" . -}}
{{- $byPassword := include "wasmcloud.nats.byPassword" . -}}
{{- $tls := .Values.global.tls.enabled -}}
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
  max_file_store: {{ .Values.nats.persistence.size }}
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
  # For workloads' data. Nobody has a login yet, as hosts have no connection for it.
  data {
    jetstream: enabled
    default_permissions {
      publish: { allow: [">"], deny: ["runtime.>"] }
      subscribe: { allow: [">"], deny: ["runtime.>"] }
    }
  }
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
