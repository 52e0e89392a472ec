# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Gives a control plane's API server a certificate for the names that are asked for, when the one it has is for others.

readonly pki=/etc/kubernetes/pki

names_in() { openssl x509 -noout -ext subjectAltName -in "$1" | tail -n +2 | tr ',' '\n' | tr -d ' ' | sort -u; }

fingerprint() { openssl x509 -noout -fingerprint -sha256; }

# The API server reads changed files by itself, without a restart.
await_certificate() {
  local second wanted
  wanted=$(fingerprint <"$pki/apiserver.crt")
  for second in $(seq 120); do
    [ "$(openssl s_client -connect "127.0.0.1:$API_PORT" </dev/null 2>/dev/null | fingerprint 2>/dev/null || true)" != "$wanted" ] || return 0
    sleep 1
  done
  refuse "the API server did not take its new certificate within $second seconds; restart it (crictl stop the container kube-apiserver) and run the update again."
}

run_create() {
  local made
  take_host_lock
  made=$(mktemp -d /etc/kubernetes/sansproxy-certificate.XXXXXX)
  # shellcheck disable=SC2064
  trap "rm -rf $made" EXIT
  ln -s "$pki/ca.crt" "$pki/ca.key" "$made"
  printf '%s' "$KUBEADM_INIT" >"$made/cluster.yaml"
  sed "s|^kind: ClusterConfiguration\$|&\ncertificatesDir: $made|" "$made/cluster.yaml" >"$made/certificate.yaml"
  logged certificate kubeadm init phase certs apiserver --config "$made/certificate.yaml" ||
    refuse "a certificate for the API server could not be made; see the lines above."
  if [ "$(names_in "$made/apiserver.crt")" = "$(names_in "$pki/apiserver.crt")" ]; then
    say "its API server has a certificate for all its names"
    return 0
  fi
  # First, so that control planes that join and upgrades know the names as well.
  [ "$HOST_FIRST" = no ] || logged upload-config kubeadm init phase upload-config kubeadm --config "$made/cluster.yaml" ||
    refuse "the cluster's configuration could not be stored; see the lines above."
  mv "$made/apiserver.key" "$made/apiserver.crt" "$pki"
  await_certificate
  say "its API server has a new certificate: $(names_in "$pki/apiserver.crt" | tr '\n' ' ')"
}
run_update() { run_create; }
