# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Joins a host to the cluster, once; taken back when it fails, and on removal.

joined() {
  [ -e /etc/kubernetes/kubelet.conf ] || return 1
  [ -e /var/lib/sansproxy/joined ] && return 0
  # Interrupted after the kubelet had got its certificate: a worker is complete with that.
  [ "$HOST_ROLE" = worker ] || return 1
  kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout=10s get node "$HOST_NAME" >/dev/null 2>&1
}

# A certificate that is not valid yet is the hardest of all failures to recognise.
check_clock_against_api() {
  local date skew
  command -v curl >/dev/null || return 0
  date=$(curl -ksSI --max-time 10 "https://$API_AUTHORITY/livez" 2>/dev/null | tr -d '\r' | sed -n 's/^[Dd]ate: //p') || return 0
  [ -n "$date" ] || return 0
  skew=$(($(date +%s) - $(date -d "$date" +%s)))
  [ "${skew#-}" -le 60 ] || refuse "its clock differs by ${skew#-} seconds from the control plane's, so certificates would be refused; set both clocks (timedatectl set-ntp true)."
}

kubelet_up() {
  local second
  systemctl is-active --quiet kubelet || systemctl restart kubelet || true
  for second in $(seq 60); do
    systemctl is-active --quiet kubelet && return 0
    sleep 1
  done
  refuse "its kubelet did not start within $second seconds; see \"journalctl -u kubelet\" on the host."
}

remember_joined() {
  install -d -m 0755 /var/lib/sansproxy
  : >/var/lib/sansproxy/joined
}

run_create() {
  local configuration=/run/sansproxy/join.yaml
  take_host_lock
  if joined; then
    kubelet_up
    remember_joined
    say "is in the cluster already"
    return 0
  fi
  ! traces_of_kubernetes || reset_host
  check_clock_against_api
  (umask 077 && mkdir -p /run/sansproxy && printf '%s' "$KUBEADM_JOIN" >"$configuration")
  trap 'rm -f /run/sansproxy/join.yaml' EXIT
  if ! logged join timeout -k 30 "$JOIN_SECONDS" kubeadm join --config "$configuration"; then
    kubelet_complaints
    cp /var/log/sansproxy/join.log /var/log/sansproxy/join-failed.log 2>/dev/null || true
    reset_host
    refuse "kubeadm join did not succeed within $JOIN_SECONDS seconds and was taken back; the lines above say why (whole log: /var/log/sansproxy/join-failed.log on the host). Run the update again: the host gets a fresh admission."
  fi
  remember_joined
  say "has joined as $HOST_ROLE"
}

run_update() {
  joined || refuse "it has left the cluster by another road; run the update with --replace on its join and admit steps."
  say "is in the cluster"
}

run_delete() {
  take_host_lock
  reset_host
  say "has left the cluster"
}
