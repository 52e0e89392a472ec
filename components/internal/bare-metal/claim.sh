# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Marks the host as this cluster's own, and makes room for the bundle; the last thing that is undone.

run_create() {
  local owner init
  take_host_lock
  owner=$(claim_field cluster)
  [ -z "$owner" ] || [ "$owner" = "$CLUSTER_ID" ] || refuse "it belongs to the cluster $owner, not to $CLUSTER_ID; remove it from that cluster first, or use another host."
  init=$(claim_field init)
  install -d -m 0755 /etc/sansproxy
  printf '%s\n' "cluster=$CLUSTER_ID" "name=$HOST_NAME" "role=$HOST_ROLE" "first=$HOST_FIRST" \
    "control-plane=$CONTROL_PLANE" "endpoint=$ENDPOINT" "pods=$POD_CIDRS" "services=$SERVICE_CIDRS" "dns=$DNS_DOMAIN" >"$claim_file.new"
  mv "$claim_file.new" "$claim_file"
  claim_set init "$init"
  install -d -m 0755 /var/lib/sansproxy
  install -d -m 0700 -o "${SUDO_USER:-root}" /var/lib/sansproxy/bundle
  say "belongs to $CLUSTER_ID"
}

run_update() { run_create; }

run_delete() {
  take_host_lock
  [ "$(claim_field cluster)" = "$CLUSTER_ID" ] || return 0
  systemctl disable --now kubelet >/dev/null 2>&1 || true
  rm -rf /var/lib/sansproxy/bundle /var/lib/sansproxy/imported /var/log/sansproxy
  rm -f /etc/sysctl.d/90-sansproxy.conf /etc/modules-load.d/sansproxy.conf /etc/systemd/networkd.conf.d/90-sansproxy.conf
  rm -f "$claim_file"
  rmdir --ignore-fail-on-non-empty /etc/sansproxy /var/lib/sansproxy 2>/dev/null || true
  say "is free again"
}
