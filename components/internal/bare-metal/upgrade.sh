# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Brings a member to another version in kubeadm's order; the kubelet comes last, so what it says is how far the host is.

readonly upgrade_configuration=/etc/sansproxy/kubeadm/upgrade.yaml

# Of the kubelet that runs: VERSION=READY.
node_says() {
  kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout=10s get node "$HOST_NAME" \
    -o 'jsonpath={.status.nodeInfo.kubeletVersion}={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null
}

# The API server may be on its way back from an upgrade that was interrupted.
running_version() {
  local second said
  for second in $(seq 120); do
    if said=$(node_says); then
      printf '%s' "${said%%=*}"
      return 0
    fi
    sleep 1
  done
  refuse "the API server did not say for $second seconds which version this host runs; see \"crictl ps -a\" on the control plane and \"journalctl -u kubelet\" here."
}

write_configuration() {
  install -d -m 0700 "${upgrade_configuration%/*}"
  printf '%s' "$KUBEADM_UPGRADE" >"$upgrade_configuration"
}

upgrade_cluster() {
  logged upgrade-plan kubeadm upgrade plan "$KUBERNETES_VERSION" --config "$upgrade_configuration" ||
    refuse "kubeadm finds the cluster not fit for an upgrade to $KUBERNETES_VERSION, and nothing of it was changed; the lines above say why (whole log: /var/log/sansproxy/upgrade-plan.log on the host)."
  logged upgrade-apply timeout -k 30 "$UPGRADE_SECONDS" kubeadm upgrade apply "$KUBERNETES_VERSION" --config "$upgrade_configuration" --yes || {
    kubelet_complaints
    refuse "kubeadm upgrade apply did not succeed within $UPGRADE_SECONDS seconds; the lines above say why (whole log: /var/log/sansproxy/upgrade-apply.log on the host). kubeadm has put back what did not come up; mend the cause and run the update again."
  }
  forbid_kube_proxy
}

upgrade_node() {
  logged upgrade-node timeout -k 30 "$UPGRADE_SECONDS" kubeadm upgrade node --config "$upgrade_configuration" || {
    kubelet_complaints
    refuse "kubeadm upgrade node did not succeed within $UPGRADE_SECONDS seconds and $HOST_NAME stays cordoned; the lines above say why (whole log: /var/log/sansproxy/upgrade-node.log on the host). Mend the cause and run the update again."
  }
}

await_new_kubelet() {
  local second
  for second in $(seq 300); do
    [ "$(node_says || true)" != "$KUBERNETES_VERSION=True" ] || return 0
    sleep 1
  done
  kubelet_complaints
  refuse "its Node was not Ready with $KUBERNETES_VERSION after $second seconds and stays cordoned; the lines above are what its kubelet complains of (journalctl -u kubelet). Mend the cause and run the update again."
}

upgrade_host() {
  bring_kubernetes kubeadm
  [ "$PACKAGE_SOURCE" = apt ] || check_control_plane_images
  if [ "$HOST_FIRST" = yes ]; then
    # Before its own drain: on a cluster of one host kubeadm's health check would find no place.
    upgrade_cluster
    take_out_of_use "$HOST_NAME"
  else
    upgrade_node
  fi
  configure_containerd
  bring_kubernetes kubelet kubectl
  check_version
  systemctl restart kubelet
  await_new_kubelet
  say "was upgraded from $1 to $KUBERNETES_VERSION"
}

run_create() {
  local from
  take_host_lock
  write_configuration
  from=$(running_version)
  [ "$from" = "$KUBERNETES_VERSION" ] || upgrade_host "$from"
  # The other hosts are given back by the control plane, when they are members.
  [ "$HOST_FIRST" = no ] || give_back "$HOST_NAME"
  say "runs Kubernetes $KUBERNETES_VERSION"
}
run_update() { run_create; }
