# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Takes Kubernetes off a host again: processes, certificates, pod network, and what the datapath left in the kernel.

remove_kubelet_rules() {
  local save restore
  for save in iptables-save ip6tables-save; do
    restore=${save%-save}-restore
    command -v "$save" >/dev/null || continue
    if [ "$($save 2>/dev/null | grep -c 'KUBE-')" != 0 ]; then $save | grep -v 'KUBE-' | $restore || true; fi
  done
}

remove_datapath() {
  local table link family
  rm -rf /sys/fs/bpf/sansproxy
  # The routing protocol number by which the agent knows its own routes.
  for family in -4 -6; do ip "$family" route flush proto 157 2>/dev/null || true; done
  if command -v nft >/dev/null; then
    nft list tables 2>/dev/null | awk '$3 ~ /^sansproxy/ {print $2, $3}' | while read -r table; do
      # shellcheck disable=SC2086
      nft delete table $table || true
    done
  fi
  for link in $(ip -o link show type veth 2>/dev/null | sed -n 's/^[0-9]*: \(sansproxy[^@:]*\).*/\1/p'); do
    ip link delete "$link" 2>/dev/null || true
  done
}

# Whether Kubernetes has been here, finished or not.
traces_of_kubernetes() {
  local path
  for path in /etc/kubernetes/manifests/*.yaml /etc/kubernetes/pki/* /etc/kubernetes/*.conf /var/lib/kubelet/config.yaml /var/lib/etcd/*; do
    [ ! -f "$path" ] && [ ! -d "$path" ] || return 0
  done
  return 1
}

# Idempotent; also clears what a broken installation left half-made.
reset_host() {
  rm -f /var/lib/sansproxy/initialized /var/lib/sansproxy/joined
  if command -v kubeadm >/dev/null; then
    logged reset timeout -k 10 120 kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock || true
  fi
  systemctl stop kubelet >/dev/null 2>&1 || true
  awk '$2 ~ "^/var/lib/kubelet/" {print $2}' /proc/mounts | sort -r | while read -r mount; do umount -l "$mount" || true; done
  rm -rf /etc/kubernetes/manifests /etc/kubernetes/pki /etc/kubernetes/*.conf /var/lib/etcd /var/lib/cni \
    /etc/cni/net.d/*sansproxy* /run/sansproxy /etc/sansproxy/kubeadm
  find /var/lib/kubelet -mindepth 1 -delete 2>/dev/null || true
  remove_kubelet_rules
  remove_datapath
}
