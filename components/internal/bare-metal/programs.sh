# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Brings Kubernetes' programs of KUBERNETES_VERSION to a host, from the bundle or from packages, and containerd's settings for them.

# Set when another kubelet was installed than was there; it runs only after a restart.
kubelet_replaced=no

bring_kubernetes() { if [ "$PACKAGE_SOURCE" = bundle ]; then unpack_programs "$@"; else install_packages "$@"; fi; }

trust_repository() {
  local keyring=$1 found
  install -d -m 0755 "${keyring%/*}"
  curl -fsSL --max-time 60 "$APT_REPOSITORY/Release.key" -o "$keyring.new" ||
    refuse "the signing key $APT_REPOSITORY/Release.key could not be fetched; allow this host to reach it, or use bundlePath."
  # Of every primary key in the file: apt takes a signature of any of them.
  found=$(gpg --show-keys --with-colons "$keyring.new" 2>/dev/null |
    awk -F: '$1 == "pub" {primary = 1} $1 == "fpr" && primary {printf "%s%s", space, $10; space = " "; primary = 0}') || found=
  [ "$found" = "$APT_KEY_FINGERPRINT" ] ||
    refuse "the signing key of $APT_REPOSITORY has the fingerprint ${found:-none} and $APT_KEY_FINGERPRINT alone is expected; do not go on before the change of key is explained."
  mv "$keyring.new" "$keyring"
}

install_packages() {
  local keyring=/etc/apt/keyrings/kubernetes.asc list=/etc/apt/sources.list.d/sansproxy-kubernetes.list wanted name missing=()
  trust_repository "$keyring"
  printf 'deb [signed-by=%s] %s/ /\n' "$keyring" "$APT_REPOSITORY" >"$list"
  logged apt-kubernetes-index apt-get update -q || refuse "the package index of $APT_REPOSITORY could not be read; see the lines above."
  wanted=$(apt-cache madison kubeadm | awk -v prefix="${KUBERNETES_VERSION#v}-" 'index($3, prefix) == 1 {print $3; exit}')
  [ -n "$wanted" ] || refuse "$APT_REPOSITORY has no kubeadm ${KUBERNETES_VERSION#v}; choose a version that it has (apt-cache madison kubeadm)."
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${Version}' "$name" 2>/dev/null)" = "$wanted" ] || missing+=("$name=$wanted")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    logged apt-kubernetes apt-get install -y -q --allow-change-held-packages --allow-downgrades "${missing[@]}" ||
      refuse "${missing[*]} could not be installed; see the lines above."
    case " ${missing[*]}" in *" kubelet="*) kubelet_replaced=yes ;; esac
  fi
  apt-mark hold "$@" >/dev/null
}

unpack_programs() {
  local unpacked program
  unpacked=$(mktemp -d /var/lib/sansproxy/programs.XXXXXX)
  tar -xzf "$BUNDLE_PROGRAMS" -C "$unpacked" --no-same-owner || refuse "$BUNDLE_PROGRAMS could not be unpacked; make the bundle again."
  for program in "$@"; do
    [ -f "$unpacked/$program" ] || refuse "the bundle's $BUNDLE_PROGRAMS lacks $program; make the bundle again."
    [ "$program" != kubelet ] || install_units "$unpacked/systemd"
    cmp -s "$unpacked/$program" "/usr/bin/$program" && continue
    install -m 0755 "$unpacked/$program" "/usr/bin/$program.new"
    mv "/usr/bin/$program.new" "/usr/bin/$program"
    [ "$program" != kubelet ] || kubelet_replaced=yes
  done
  rm -rf "$unpacked"
}

install_units() {
  install -D -m 0644 "$1/kubelet.service" /etc/systemd/system/kubelet.service
  install -D -m 0644 "$1/10-kubeadm.conf" /etc/systemd/system/kubelet.service.d/10-kubeadm.conf
  systemctl daemon-reload
}

check_version() {
  local found
  found=$(kubelet --version)
  [ "$found" = "Kubernetes $KUBERNETES_VERSION" ] || refuse "kubelet says \"$found\" after the installation of $KUBERNETES_VERSION; make the bundle or the package repository agree with kubernetesVersion."
}

# A distribution's unchanged containerd configuration is replaced by one that Kubernetes needs; an administrator's is kept.
configure_containerd() {
  local file=/etc/containerd/config.toml marker='# Written by sansproxy.' shipped pause text
  if [ -f "$file" ] && ! head -n 1 "$file" | grep -qF "$marker"; then
    shipped=$(dpkg-query -W -f '${Conffiles}\n' containerd 2>/dev/null | awk -v file="$file" '$1 == file {print $2}')
    if [ "$(md5sum <"$file" | cut -d ' ' -f 1)" != "$shipped" ]; then
      say "keeps its own $file"
      return 0
    fi
  fi
  pause=$(kubeadm config images list --kubernetes-version "$KUBERNETES_VERSION" 2>/dev/null | grep '/pause:' || true)
  text="$marker
version = 2
[plugins.\"io.containerd.grpc.v1.cri\"]
  sandbox_image = \"${pause:-registry.k8s.io/pause:3.10}\"
[plugins.\"io.containerd.grpc.v1.cri\".cni]
  bin_dir = \"/usr/lib/cni\"
  conf_dir = \"/etc/cni/net.d\"
[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]
  runtime_type = \"io.containerd.runc.v2\"
[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]
  SystemdCgroup = true"
  [ "$(cat "$file" 2>/dev/null)" = "$text" ] && return 0
  mkdir -p "${file%/*}"
  printf '%s\n' "$text" >"$file"
  systemctl restart containerd
}

# Without a registry, an image that kubeadm wants and the bundle lacks would be seen only as a pod that never starts.
check_control_plane_images() {
  local wanted present missing=()
  [ "$HOST_ROLE" = control-plane ] || return 0
  present=$(ctr -n k8s.io images ls -q)
  for wanted in $(kubeadm config images list --kubernetes-version "$KUBERNETES_VERSION" 2>/dev/null | grep -v '/kube-proxy:'); do
    grep -qxF "$wanted" <<<"$present" || missing+=("$wanted")
  done
  [ ${#missing[@]} -eq 0 ] || refuse "the bundle lacks images that kubeadm $KUBERNETES_VERSION needs: ${missing[*]}; make the bundle again with them."
}
