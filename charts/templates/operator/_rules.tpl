{{/* What the operator may do where it runs workloads. */}}
{{- define "wasmcloud.operator.workloadRules" -}}
- apiGroups: [runtime.wasmcloud.dev]
  resources: [workloaddeployments, workloadreplicasets, workloads, artifacts]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [runtime.wasmcloud.dev]
  resources: [workloaddeployments/status, workloadreplicasets/status, workloads/status, artifacts/status]
  verbs: [get, update, patch]
# Owner references with blockOwnerDeletion, where the cluster checks them.
- apiGroups: [runtime.wasmcloud.dev]
  resources: [workloaddeployments/finalizers, workloadreplicasets/finalizers, workloads/finalizers, artifacts/finalizers]
  verbs: [update]
# Those that a workload names; never listed.
- apiGroups: [""]
  resources: [configmaps, secrets]
  verbs: [get]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What the operator may do in its own namespace. */}}
{{- define "wasmcloud.operator.ownRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update, patch]
- apiGroups: [runtime.wasmcloud.dev]
  resources: [hosts]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [runtime.wasmcloud.dev]
  resources: [hosts/status]
  verbs: [get, update, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
