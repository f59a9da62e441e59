{{/*
The operator's rights. tests/chart/test_rights.py compares them with the requests of a real run: none missing, none spare.
*/}}

{{/* What the operator may do where it runs workloads. */}}
{{- define "wasmcloud.operator.workloadRules" -}}
# The users' own.
- apiGroups: [runtime.wasmcloud.dev]
  resources: [workloaddeployments, artifacts]
  verbs: [get, list, watch]
# The operator's, made out of those; Workloads may be a user's, too.
- apiGroups: [runtime.wasmcloud.dev]
  resources: [workloadreplicasets, workloads]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [runtime.wasmcloud.dev]
  resources: [workloaddeployments/status, workloadreplicasets/status, workloads/status, artifacts/status]
  verbs: [patch]
# To own something with blockOwnerDeletion, where the cluster checks that (OwnerReferencesPermissionEnforcement).
- apiGroups: [runtime.wasmcloud.dev]
  resources: [workloaddeployments/finalizers, workloadreplicasets/finalizers]
  verbs: [update]
# Those that a workload names; never listed.
- apiGroups: [""]
  resources: [configmaps, secrets]
  verbs: [get]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What the operator may do in its own namespace. */}}
{{- define "wasmcloud.operator.ownRules" -}}
# Who leads.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, patch]
- apiGroups: [runtime.wasmcloud.dev]
  resources: [hosts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [runtime.wasmcloud.dev]
  resources: [hosts/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
