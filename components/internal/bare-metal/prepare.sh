# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Brings a host to the point where kubeadm can work: kernel settings, containerd, Kubernetes' programs and images.

turn_swap_off() {
  [ "$(wc -l </proc/swaps)" -gt 1 ] || return 0
  if grep -qsE '^failSwapOn:[[:space:]]*false' /etc/kubernetes/kubelet.conf.d/*.conf; then
    say "swap stays on, as the kubelet of this host is configured to allow"
    return 0
  fi
  swapoff -a || refuse "swap could not be turned off (swapoff -a failed); turn it off, or allow it with failSwapOn: false in /etc/kubernetes/kubelet.conf.d."
  if grep -qE '^[^#].*[[:space:]]swap[[:space:]]' /etc/fstab; then
    sed -i.before-sansproxy -E 's/^([^#].*[[:space:]]swap[[:space:]].*)$/# \1/' /etc/fstab
    say "swap is off; its lines in /etc/fstab are commented out (copy: /etc/fstab.before-sansproxy)"
  fi
}

# kube-proxy's own setting, which applications rely on: where the host tracks connections, as the kubelet's firewall rules
# make it do, one that the other side has closed is remembered for an hour instead of a minute.
keep_half_closed_connections() {
  local key=net.netfilter.nf_conntrack_tcp_timeout_close_wait
  ! sysctl -q -n "$key" >/dev/null 2>&1 || printf '%s\n' "$key = 3600" >>/etc/sysctl.d/90-sansproxy.conf
}

# A host that forwards ignores router advertisements, and with them its own default route, unless told otherwise.
forward_ipv6() {
  printf '%s\n' "net.ipv6.conf.all.forwarding = 1" >>/etc/sysctl.d/90-sansproxy.conf
  sysctl -ar '^net\.ipv6\.conf\.[^.]+\.accept_ra$' | sed -n 's/ = 1$/ = 2/p' >>/etc/sysctl.d/90-sansproxy.conf
}

set_kernel() {
  local module modules=''
  for module in overlay br_netfilter nf_conntrack; do
    if command -v modprobe >/dev/null && modprobe -qn "$module"; then
      modprobe -q "$module" || say "module $module could not be loaded; going on without it"
      modules+="$module"$'\n'
    fi
  done
  mkdir -p /etc/modules-load.d /etc/sysctl.d
  printf '%s' "$modules" >/etc/modules-load.d/sansproxy.conf
  printf '%s\n' "net.ipv4.ip_forward = 1" >/etc/sysctl.d/90-sansproxy.conf
  [ -z "$HOST_IPV6" ] || forward_ipv6
  keep_half_closed_connections
  sysctl -q -p /etc/sysctl.d/90-sansproxy.conf || refuse "forwarding could not be turned on (sysctl -p /etc/sysctl.d/90-sansproxy.conf failed); allow it in this host's kernel settings."
}

# The kernel's default of 128 is used up by a few dozen containers, and the kubelet then ends with "too many open files".
allow_inotify() {
  local key=fs.inotify.max_user_instances now
  now=$(sysctl -n "$key")
  printf '%s\n' "$key = $((now > 1024 ? now : 1024))" >>/etc/sysctl.d/90-sansproxy.conf
  [ "$now" -ge 1024 ] || sysctl -q -w "$key=1024" || say "$key could not be raised to 1024; going on with $now"
}

# systemd-networkd deletes the routes that the datapath adds, unless it is told to leave them.
keep_foreign_routes() {
  local file=/etc/systemd/networkd.conf.d/90-sansproxy.conf
  local text=$'[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no'
  [ "$(cat "$file" 2>/dev/null)" = "$text" ] && return 0
  mkdir -p "${file%/*}"
  printf '%s\n' "$text" >"$file"
  ! systemctl is-active --quiet systemd-networkd || systemctl restart systemd-networkd
}

install_base_packages() {
  logged apt-base apt-get update -q || refuse "apt-get update failed; see the lines above and correct the host's package sources."
  logged apt-tools apt-get install -y -q --no-install-recommends ca-certificates curl gpg openssl containerd runc containernetworking-plugins iproute2 iptables conntrack ethtool socat util-linux ||
    refuse "the distribution's packages could not be installed; see the lines above."
}

check_bundle() {
  local line sha path
  while read -r sha path; do
    [ -n "$sha" ] || continue
    [ -f "$path" ] || refuse "the bundle's file $path is missing; run the update with --replace on this host's copy of it."
    printf '%s  %s\n' "$sha" "$path" | sha256sum --check --status ||
      refuse "the bundle's file $path is damaged (its sha256 is not $sha); run the update with --replace on this host's copy of it."
  done <<<"$BUNDLE_FILES"
  # Files of an earlier bundle only take space.
  for line in /var/lib/sansproxy/bundle/*; do
    [ -e "$line" ] || continue
    grep -qF " $line" <<<"$BUNDLE_FILES" || rm -f "$line"
  done
}

start_containerd() {
  local second
  systemctl enable --now containerd >/dev/null 2>&1 || refuse "containerd did not start; see \"journalctl -u containerd\" on the host."
  for second in $(seq 60); do
    ctr version >/dev/null 2>&1 && return 0
    sleep 1
  done
  refuse "containerd gave no answer for $second seconds; see \"journalctl -u containerd\" on the host."
}

import_images() {
  local sha path names name present
  mkdir -p /var/lib/sansproxy/imported
  while read -r sha path names; do
    [ -n "$sha" ] || continue
    present=$(ctr -n k8s.io images ls -q)
    if [ -e "/var/lib/sansproxy/imported/$sha" ]; then
      for name in $names; do grep -qxF "$name" <<<"$present" || rm -f "/var/lib/sansproxy/imported/$sha"; done
    fi
    [ ! -e "/var/lib/sansproxy/imported/$sha" ] || continue
    # shellcheck disable=SC2016
    logged import bash -o pipefail -c 'gzip -dcf "$0" | ctr -n k8s.io images import -' "$path" ||
      refuse "containerd could not import $path; see the lines above."
    present=$(ctr -n k8s.io images ls -q)
    for name in $names; do
      grep -qxF "$name" <<<"$present" || refuse "the bundle's ${path##*-} does not hold the image $name that its manifest promises; make the bundle again."
    done
    : >"/var/lib/sansproxy/imported/$sha"
  done <<<"$BUNDLE_IMAGES"
}

# A member keeps its programs until its turn to be upgraded comes, when it has been drained.
is_to_be_upgraded() { in_cluster && [ "$(kubelet --version 2>/dev/null)" != "Kubernetes $KUBERNETES_VERSION" ]; }

bring_programs() {
  bring_kubernetes kubeadm kubelet kubectl
  [ "$kubelet_replaced" = no ] || ! systemctl is-active --quiet kubelet || systemctl restart kubelet
  check_version
  configure_containerd
}

run_create() {
  local upgrade=no
  take_host_lock
  ! is_to_be_upgraded || upgrade=yes
  turn_swap_off
  set_kernel
  allow_inotify
  keep_foreign_routes
  if [ "$PACKAGE_SOURCE" = bundle ]; then check_bundle; else install_base_packages; fi
  [ "$upgrade" = yes ] || bring_programs
  start_containerd
  [ "$PACKAGE_SOURCE" = apt ] || import_images
  if [ "$upgrade" = yes ]; then
    say "is ready for its upgrade to $KUBERNETES_VERSION"
    return 0
  fi
  [ "$PACKAGE_SOURCE" = apt ] || check_control_plane_images
  systemctl enable kubelet >/dev/null 2>&1
  say "has kubeadm, kubelet and kubectl $KUBERNETES_VERSION and containerd"
}
run_update() { run_create; }
