# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Judges a host before anything is created on any host. Reads only.

problems=()
problem() { problems+=("$1"); }

# Whether the first version comes before the second.
older() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

check_privilege() {
  [ "$(id -u)" -eq 0 ] && return 0
  command -v sudo >/dev/null || refuse "the user $(id -un) is not root and sudo is not installed; log in as root, or install sudo and allow it without a password."
  sudo -n true 2>/dev/null || refuse "the user $(id -un) is not root and may not use sudo without a password; add \"$(id -un) ALL=(ALL) NOPASSWD: ALL\" to /etc/sudoers.d, or log in as root."
}

os_release() { sed -n "s/^$1=//p" /etc/os-release | tr -d '"'; }

check_distribution() {
  case " $(os_release ID) $(os_release ID_LIKE) " in
    *" debian "* | *" ubuntu "*) ;;
    *) problem "the operating system ($(os_release PRETTY_NAME)) is neither Debian nor Ubuntu; install one of them." ;;
  esac
  [ "$(ps -p 1 -o comm=)" = systemd ] || problem "process 1 is $(ps -p 1 -o comm=), not systemd, so services cannot be installed; boot the host with systemd."
}

check_kernel() {
  local release remedy='install a newer kernel (Debian: linux-image-amd64 from backports; Ubuntu: the hwe kernel) and reboot'
  release=$(uname -r)
  [ "$(os_release ID) $(os_release VERSION_ID)" != "debian 12" ] ||
    remedy="Debian 12 itself has only 6.1: install linux-image-amd64 from bookworm-backports (apt-get install -t bookworm-backports linux-image-amd64) and reboot"
  if older "${release%%-*}" "$MINIMUM_KERNEL"; then
    problem "kernel $release is older than $MINIMUM_KERNEL, the first with the BPF attachments the datapath needs; $remedy."
  fi
  [ -r /sys/kernel/btf/vmlinux ] || problem "the kernel $release has no BTF (/sys/kernel/btf/vmlinux); boot a kernel built with CONFIG_DEBUG_INFO_BTF=y."
  grep -qw bpf /proc/filesystems || problem "the kernel $release has no bpf file system; boot a kernel built with CONFIG_BPF_SYSCALL=y."
  grep -qw cgroup2 /proc/mounts || problem "no cgroup2 hierarchy is mounted, to which the datapath attaches its socket programs; boot with systemd.unified_cgroup_hierarchy=1."
  if [ -r /proc/sys/net/core/bpf_jit_enable ] && [ "$(cat /proc/sys/net/core/bpf_jit_enable)" = 0 ]; then
    problem "the BPF compiler is off (net.core.bpf_jit_enable=0); set it to 1."
  fi
}

memory_mib() {
  local smallest file value
  smallest=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo)
  for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    [ -r "$file" ] || continue
    value=$(cat "$file")
    case "$value" in *[!0-9]* | '') continue ;; esac
    [ ${#value} -ge 18 ] && continue
    value=$((value / 1048576))
    [ "$value" -lt "$smallest" ] && smallest=$value
  done
  printf '%s' "$smallest"
}

check_resources() {
  local memory disk
  memory=$(memory_mib)
  [ "$memory" -ge "$MINIMUM_MEMORY_MIB" ] || problem "it has $memory MiB of memory and a $HOST_ROLE needs $MINIMUM_MEMORY_MIB MiB; give it more memory."
  # What a member has already stored counts as found.
  [ -n "$(claim_field cluster)" ] && return 0
  disk=$(df -Pk /var/lib | awk 'NR == 2 {print int($4 / 1024)}')
  [ "$disk" -ge "$MINIMUM_DISK_MIB" ] || problem "/var/lib has $disk MiB free and a $HOST_ROLE needs $MINIMUM_DISK_MIB MiB; free some space or attach a larger disk."
}

check_clock() {
  [ "$(date +%s)" -ge 1764547200 ] || problem "its clock says $(date -u +%FT%TZ), which lies in the past, so every certificate would be refused; set the clock (timedatectl set-ntp true)."
}

check_programs() {
  local program missing=()
  [ "$PACKAGE_SOURCE" = bundle ] || return 0
  for program in containerd runc ip nsenter mount iptables tc ethtool flock gzip tar sha256sum openssl; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [ ${#missing[@]} -eq 0 ] || problem "an air-gapped bundle brings Kubernetes only, and these programs are missing: ${missing[*]}; install the packages containerd runc iproute2 iptables ethtool util-linux openssl containernetworking-plugins."
}

check_kube_proxy() {
  local chains
  if pgrep -x kube-proxy >/dev/null; then
    problem "a kube-proxy process runs here (pid $(pgrep -x kube-proxy | tr '\n' ' ')); use a host that never ran kube-proxy, or stop it for good and reboot."
  fi
  chains=$({
    ! command -v nft >/dev/null || as_root nft list ruleset 2>/dev/null || true
    ! command -v iptables-save >/dev/null || as_root iptables-save 2>/dev/null || true
    ! command -v iptables-legacy-save >/dev/null || as_root iptables-legacy-save 2>/dev/null || true
  } | grep -cE 'KUBE-SVC-|KUBE-SERVICES|table (ip|ip6|inet) kube-proxy' || true)
  [ "$chains" -eq 0 ] || problem "it still carries $chains rules of kube-proxy (chains KUBE-SVC-*, KUBE-SERVICES or the nftables table kube-proxy), which would compete with the datapath; run \"kube-proxy --cleanup\" or reboot the host."
}

check_other_cluster() {
  local owner found='' path
  for path in /etc/rancher/k3s /etc/rancher/rke2 /var/snap/microk8s /etc/kubernetes/bootstrap-kubelet.conf \
    /etc/kubernetes/kubelet.conf /etc/kubernetes/admin.conf /etc/kubernetes/manifests/kube-apiserver.yaml; do
    as_root test -e "$path" && found=$path && break
  done
  owner=$(as_root sed -n 's/^cluster=//p' "$claim_file" 2>/dev/null || true)
  if [ -n "$owner" ] && [ "$owner" != "$CLUSTER_ID" ]; then
    problem "it belongs to the cluster $owner, not to $CLUSTER_ID; remove it from that cluster first, or use another host."
  elif [ -z "$owner" ] && [ -n "$found" ]; then
    problem "it already belongs to another cluster ($found exists and was not made by this stack); run \"kubeadm reset -f\" there if that cluster is not wanted any more, or use another host."
  elif [ -n "$owner" ]; then
    check_same_member
  fi
}

claimed() { as_root sed -n "s/^$1=//p" "$claim_file"; }

# Names an input, its field in the claim and what is asked. A claim that is older than the field says nothing of it.
check_fixed() {
  local was
  was=$(claimed "$2")
  [ -z "$was" ] || [ "$was" = "$3" ] || problem "$1 was $was when the cluster was made and cannot become $3 as long as the cluster exists; set it back, or destroy the cluster and make it again."
}

minor_of() {
  local rest=${1#v1.}
  printf '%s' "${rest%%.*}"
}

# kubeadm is the first program that an upgrade changes on a host, and the kubelet the last.
check_version_change() {
  local runs begun
  runs=$(kubelet --version 2>/dev/null | sed -n 's/^Kubernetes //p' || true)
  begun=$(kubeadm version -o short 2>/dev/null || true)
  [ -n "$runs" ] || return 0
  if older "$runs" "$begun" && older "$KUBERNETES_VERSION" "$begun"; then
    problem "its upgrade from Kubernetes $runs to $begun was begun and is not finished; set kubernetesVersion to $begun and run the update, which goes on with it."
  elif older "$KUBERNETES_VERSION" "$runs"; then
    problem "it runs Kubernetes $runs and kubeadm takes no cluster back to $KUBERNETES_VERSION; set kubernetesVersion to $runs or a newer version."
  elif [ "$(minor_of "$KUBERNETES_VERSION")" -gt $(($(minor_of "$runs") + 1)) ]; then
    problem "it runs Kubernetes $runs and an upgrade to $KUBERNETES_VERSION would skip a minor version; set kubernetesVersion to a version of 1.$(($(minor_of "$runs") + 1)) first."
  fi
}

# A change that these steps cannot make is refused before any host has been touched.
check_same_member() {
  local was
  was=$(claimed name)
  [ "$was" = "$HOST_NAME" ] || problem "it is already in this cluster under the name $was; keep that name, or remove it in one update and add it in the next."
  was=$(claimed role)
  [ "$was" = "$HOST_ROLE" ] || problem "it is in this cluster as $was and cannot become $HOST_ROLE in place; remove it in one update and add it in the next."
  was=$(claimed first)
  [ "$was" = "$HOST_FIRST" ] || problem "the first control plane of a cluster cannot change; keep the same host first among the control planes in \"hosts\"."
  in_cluster || return 0
  check_version_change
  check_fixed "the first control plane's address" control-plane "$CONTROL_PLANE"
  check_fixed controlPlaneEndpoint endpoint "$ENDPOINT"
  check_fixed podCidrs pods "$POD_CIDRS"
  check_fixed serviceCidrs services "$SERVICE_CIDRS"
  check_fixed dnsDomain dns "$DNS_DOMAIN"
}

check_ipv6() {
  [ -n "$HOST_IPV6" ] || return 0
  if [ "$(cat /proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || echo 1)" != 0 ]; then
    problem "IPv6 is off and the cluster has IPv6 networks; turn it on (net.ipv6.conf.all.disable_ipv6=0)."
  elif [ -z "$(ip -6 -o address show to "$HOST_IPV6")" ]; then
    problem "none of its links holds its IPv6 address $HOST_IPV6; give it that address, or correct ipv6Address."
  fi
}

check_ports() {
  local port busy=()
  [ -z "$(claim_field cluster)" ] || return 0
  command -v ss >/dev/null || return 0
  for port in $REQUIRED_PORTS; do
    [ -z "$(ss -Hltn "sport = :$port")" ] || busy+=("$port")
  done
  [ ${#busy[@]} -eq 0 ] || problem "TCP ports that Kubernetes needs are in use: ${busy[*]}; stop what listens there (ss -ltnp)."
}

run_create() {
  check_privilege
  check_distribution
  check_kernel
  check_resources
  check_clock
  check_programs
  check_kube_proxy
  check_other_cluster
  check_ipv6
  check_ports
  [ ${#problems[@]} -eq 0 ] || refuse "$(
    printf '%s' "${problems[0]}"
    [ ${#problems[@]} -eq 1 ] || printf '\n  also: %s' "${problems[@]:1}"
  )"
  say "is fit to be a $HOST_ROLE (kernel $(uname -r), $(memory_mib) MiB of memory)"
}
run_update() { run_create; }
