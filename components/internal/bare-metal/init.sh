# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Makes the first control plane, once: a finished one is left alone, a half-finished one is taken back and made again.

wait_for_api() {
  local second
  for second in $(seq 120); do
    admin get --raw /readyz >/dev/null 2>&1 && return 0
    sleep 1
  done
  refuse "the API server gave no sign of being ready for $second seconds; see \"crictl ps -a\" and \"journalctl -u kubelet\" on the host."
}

write_configuration() {
  install -d -m 0700 /etc/sansproxy/kubeadm
  printf '%s' "$KUBEADM_INIT" >/etc/sansproxy/kubeadm/init.yaml
}

# kubeadm makes a join token valid for a day: nobody has seen it, and nobody needs it.
delete_bootstrap_tokens() {
  admin -n kube-system delete secrets --field-selector type=bootstrap.kubernetes.io/token --ignore-not-found >/dev/null ||
    refuse "the join token that kubeadm made could not be deleted; run the update again."
}

readonly initialized_marker=/var/lib/sansproxy/initialized

initialized() { [ -e "$initialized_marker" ] || [ "$(claim_field init)" = finished ]; }

remember_initialized() {
  install -d -m 0755 "${initialized_marker%/*}"
  : >"$initialized_marker"
  claim_set init finished
}

# A cluster that init has finished is never taken back here, whatever is missing of it.
keep_control_plane() {
  write_configuration
  [ -e "$admin_kubeconfig" ] || refuse "it is the control plane of $CLUSTER_ID, but $admin_kubeconfig is missing; write it again on the host with \"kubeadm init phase kubeconfig admin --config /etc/sansproxy/kubeadm/init.yaml\" and run the update again."
  wait_for_api
  remember_initialized
  say "already is the control plane of $CLUSTER_ID"
}

run_create() {
  take_host_lock
  if initialized; then
    keep_control_plane
    return 0
  fi
  if traces_of_kubernetes; then
    [ "$(claim_field init)" = begun ] || refuse "it carries an installation of Kubernetes that this stack did not begin, and making the control plane would erase it; run \"kubeadm reset -f\" there if it is not wanted any more, and run the update again."
    reset_host
  fi
  claim_set init begun
  write_configuration
  if ! logged init timeout -k 30 "$INIT_SECONDS" kubeadm init --config /etc/sansproxy/kubeadm/init.yaml \
    --skip-token-print --skip-certificate-key-print; then
    kubelet_complaints
    cp /var/log/sansproxy/init.log /var/log/sansproxy/init-failed.log 2>/dev/null || true
    reset_host
    refuse "kubeadm init did not succeed within $INIT_SECONDS seconds and was taken back; the lines above say why (whole log: /var/log/sansproxy/init-failed.log on the host)."
  fi
  wait_for_api
  delete_bootstrap_tokens
  forbid_kube_proxy
  remember_initialized
  say "is the control plane of $CLUSTER_ID, Kubernetes $KUBERNETES_VERSION, without kube-proxy"
}

# The update of a step that has succeeded once: what it made is kept or refused, and nothing is made or taken back.
run_update() {
  take_host_lock
  initialized || refuse "no control plane of $CLUSTER_ID was made here ($initialized_marker is missing), and an update makes none, because that would be a new and empty cluster; give the first control plane its former address, or run the update with --replace on the step init for a new cluster."
  keep_control_plane
}

run_delete() {
  take_host_lock
  reset_host
  claim_set init ''
  say "is no control plane any more"
}
