# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Runs on the control plane while a host joins: the host's token is valid exactly until its Node is registered.

secret_name() { printf 'bootstrap-token-%s' "${TOKEN%%.*}"; }

withdraw() {
  # A successor that has taken over withdraws the token itself.
  [ "$(cat "$owner_file" 2>/dev/null)" = "$$" ] || return 0
  admin -n kube-system delete secret "$(secret_name)" --ignore-not-found >/dev/null 2>&1 || true
  [ "$JOIN_ROLE" != control-plane ] || admin -n kube-system delete secret kubeadm-certs --ignore-not-found >/dev/null 2>&1 || true
  rm -f "$owner_file"
}

# The Node counts as registered when its own kubelet reports: the object of a host that is gone says Unknown.
registered() {
  local ready
  ready=$(admin get node "$JOIN_NAME" --ignore-not-found -o 'jsonpath={.metadata.name}={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null) || return 1
  case "$ready" in "$JOIN_NAME=True" | "$JOIN_NAME=False") ;; *) return 1 ;; esac
  [ "$JOIN_ROLE" != control-plane ] && return 0
  [ -n "$(admin get node "$JOIN_NAME" -l node-role.kubernetes.io/control-plane -o name --ignore-not-found 2>/dev/null)" ] || return 1
  admin -n kube-system get pod "kube-apiserver-$JOIN_NAME" -o name >/dev/null 2>&1
}

# An error of the API server's can repeat what it was given.
without_token() {
  local line
  while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "${line//"${TOKEN#*.}"/<token>}"; done
}

publish() { token_manifest | admin apply -f - 2>&1 >/dev/null | without_token >&2; }

token_manifest() {
  cat <<MANIFEST
apiVersion: v1
kind: Secret
metadata:
  name: $(secret_name)
  namespace: kube-system
type: bootstrap.kubernetes.io/token
stringData:
  description: "sansproxy admits $JOIN_NAME"
  token-id: "${TOKEN%%.*}"
  token-secret: "${TOKEN#*.}"
  expiration: "$(date -u -d "+$ADMIT_SECONDS seconds" +%FT%TZ)"
  usage-bootstrap-authentication: "true"
  usage-bootstrap-signing: "true"
  auth-extra-groups: system:bootstrappers:kubeadm:default-node-token
MANIFEST
}

upload_certificates() {
  local file=/run/sansproxy/upload-certs.yaml
  printf '%s' "$UPLOAD_CERTS" >"$file"
  logged upload-certs kubeadm init phase upload-certs --upload-certs --config "$file" --skip-certificate-key-print || {
    rm -f "$file"
    refuse "the control plane's certificates could not be offered to $JOIN_NAME; see the lines above."
  }
  rm -f "$file"
}

run_create() {
  local deadline
  umask 077
  mkdir -p /run/sansproxy
  if registered; then
    say "$JOIN_NAME is registered"
    return 0
  fi
  owner_file=/run/sansproxy/admit-$JOIN_NAME
  printf '%s' "$$" >"$owner_file"
  trap withdraw EXIT
  publish || refuse "the join token for $JOIN_NAME could not be stored in the cluster; see the lines above and run the update again."
  [ "$JOIN_ROLE" != control-plane ] || upload_certificates
  deadline=$((SECONDS + ADMIT_SECONDS))
  until registered; do
    [ "$(cat "$owner_file" 2>/dev/null)" = "$$" ] || refuse "a newer update has taken over the admission of $JOIN_NAME."
    [ "$SECONDS" -lt "$deadline" ] || refuse "$JOIN_NAME did not register as a Node within $ADMIT_SECONDS seconds, and its token was withdrawn; see what its join step said, or allow Pulumi to run steps at the same time (--parallel 8), and run the update again."
    sleep 1
  done
  say "$JOIN_NAME is registered and its token is withdrawn"
}
run_update() { :; }
