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
  printf '%s' "$KUBEADM_UPGRADE" >/etc/sansproxy/kubeadm/upgrade.yaml
}

# kubeadm makes a join token valid for a day: nobody has seen it, and nobody needs it.
delete_bootstrap_tokens() {
  admin -n kube-system delete secrets --field-selector type=bootstrap.kubernetes.io/token --ignore-not-found >/dev/null ||
    refuse "the join token that kubeadm made could not be deleted; run the update again."
}

forbid_kube_proxy() {
  [ -z "$(admin -n kube-system get daemonset,configmap kube-proxy --ignore-not-found -o name)" ] ||
    refuse "kubeadm installed kube-proxy although it is disabled in the configuration; report this with the version of kubeadm ($(kubeadm version -o short))."
}

run_create() {
  take_host_lock
  if [ -e /var/lib/sansproxy/initialized ] && [ -e "$admin_kubeconfig" ]; then
    write_configuration
    wait_for_api
    say "already is the control plane of $CLUSTER_ID"
    return 0
  fi
  ! traces_of_kubernetes || reset_host
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
  install -d -m 0755 /var/lib/sansproxy
  : >/var/lib/sansproxy/initialized
  say "is the control plane of $CLUSTER_ID, Kubernetes $KUBERNETES_VERSION, without kube-proxy"
}

run_update() { run_create; }

run_delete() {
  take_host_lock
  reset_host
  rm -rf /etc/sansproxy/kubeadm
  say "is no control plane any more"
}
