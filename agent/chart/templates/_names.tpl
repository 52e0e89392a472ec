{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Names and labels that all objects share, and the agent's configuration from the values. */}}

{{- define "sansproxy.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
{{- end }}

{{- define "sansproxy.labels" -}}
{{ include "sansproxy.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "sansproxy.config" -}}
{{- $config := dict
  "kubeProxyReplacement" .Values.kubeProxyReplacement
  "k8sServicePort" (int .Values.k8sServicePort)
  "kubeProxyReplacementHealthzBindAddr" .Values.kubeProxyReplacementHealthzBindAddr
  "metricsBindAddress" .Values.metricsBindAddress
  "socketLB.enabled" .Values.socketLB.enabled
  "socketLB.bypassRuntimeClasses" .Values.socketLB.bypassRuntimeClasses
  "socketLB.terminatePodConnections" .Values.socketLB.terminatePodConnections
  "bpf.masquerade" .Values.bpf.masquerade
  "bpf.mapDynamicSizeRatio" (float64 .Values.bpf.mapDynamicSizeRatio)
  "bpf.root" .Values.bpf.root
  "enableIPv4Masquerade" .Values.enableIPv4Masquerade
  "enableIPv6Masquerade" .Values.enableIPv6Masquerade
  "ipv4NativeRoutingCIDR" .Values.ipv4NativeRoutingCIDR
  "ipv6NativeRoutingCIDR" .Values.ipv6NativeRoutingCIDR
  "ipMasqAgent.config.nonMasqueradeCIDRs" (join " " .Values.ipMasqAgent.config.nonMasqueradeCIDRs)
  "routingMode" .Values.routingMode
  "autoDirectNodeRoutes" .Values.autoDirectNodeRoutes
  "ipam.mode" .Values.ipam.mode
  "devices" .Values.devices
  "loadBalancer.algorithm" .Values.loadBalancer.algorithm
  "loadBalancer.mode" .Values.loadBalancer.mode
  "loadBalancer.acceleration" .Values.loadBalancer.acceleration
  "maglev.tableSize" (int .Values.maglev.tableSize)
  "nodePort.range" .Values.nodePort.range
  "nodePort.addresses" (join " " .Values.nodePort.addresses)
  "nodePort.bindProtection" .Values.nodePort.bindProtection
  "cni.install" .Values.cni.install
  "cni.confPath" .Values.cni.confPath
  "cni.binPath" .Values.cni.binPath
  "cgroup.hostRoot" .Values.cgroup.hostRoot
  "debug.enabled" .Values.debug.enabled
-}}
{{- if .Values.k8sServiceHost }}{{ $_ := set $config "k8sServiceHost" .Values.k8sServiceHost }}{{ end }}
{{ $config | toPrettyJson }}
{{- end }}

{{/* Refuses what cannot work, before anything is installed. */}}
{{- define "sansproxy.validate" -}}
{{- if not .Values.kubeProxyReplacement -}}
{{- fail "kubeProxyReplacement = false: this chart installs the Service proxy; set it to true, or do not install the chart" -}}
{{- end -}}
{{- $reference := .Values.k8sServiceHostRef -}}
{{- if not (or .Values.k8sServiceHost $reference.name) -}}
{{- fail "k8sServiceHost is empty: set it to the API server's host as a node reaches it, because without kube-proxy the kubernetes Service only works once the agent runs; or name a ConfigMap in k8sServiceHostRef" -}}
{{- end -}}
{{- if and .Values.k8sServiceHost $reference.name -}}
{{- fail "k8sServiceHost and k8sServiceHostRef.name are both set, and only one can be right: leave one empty" -}}
{{- end -}}
{{- if and $reference.name (not $reference.key) -}}
{{- fail "k8sServiceHostRef.key is empty: name the key of the ConfigMap that holds the host" -}}
{{- end -}}
{{- if contains "://" .Values.k8sServiceHost -}}
{{- fail (printf "k8sServiceHost = %q: give the host alone, without scheme and port" .Values.k8sServiceHost) -}}
{{- end -}}
{{- range $key := list "enableIPv4Masquerade" "enableIPv6Masquerade" -}}
{{- if and (get $.Values $key) (not $.Values.bpf.masquerade) -}}
{{- fail (printf "bpf.masquerade = false with %s = true: the agent has no iptables masquerade; set both alike" $key) -}}
{{- end -}}
{{- end -}}
{{- if and (ne .Values.loadBalancer.mode "snat") (or (ne .Values.loadBalancer.algorithm "maglev") (not .Values.autoDirectNodeRoutes)) -}}
{{- fail (printf "loadBalancer.mode = %q: needs loadBalancer.algorithm = maglev and autoDirectNodeRoutes = true, so that a backend's node finds the same backend and is a neighbour; set both, or the mode to snat" .Values.loadBalancer.mode) -}}
{{- end -}}
{{- if and .Values.enableIPv4Masquerade (not .Values.ipv4NativeRoutingCIDR) -}}
{{- fail "ipv4NativeRoutingCIDR is empty: set it to the pods' network, so that traffic between pods is not masqueraded, or set enableIPv4Masquerade to false" -}}
{{- end -}}
{{- if .Values.prometheus.serviceMonitor.enabled -}}
{{- if not .Values.prometheus.enabled -}}
{{- fail "prometheus.serviceMonitor.enabled = true with prometheus.enabled = false: set prometheus.enabled to true as well" -}}
{{- end -}}
{{- if or (hasPrefix "127." .Values.kubeProxyReplacementHealthzBindAddr) (hasPrefix "[::1]" .Values.kubeProxyReplacementHealthzBindAddr) -}}
{{- fail (printf "kubeProxyReplacementHealthzBindAddr = %q with prometheus.serviceMonitor.enabled = true: Prometheus reaches no agent at a loopback address; set it to \"0.0.0.0:10256\"" .Values.kubeProxyReplacementHealthzBindAddr) -}}
{{- end -}}
{{- end -}}
{{- end }}
