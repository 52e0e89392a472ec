# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Runs on the control plane for a host that has joined, or was upgraded: its Node's labels and use, and its orderly departure.

run_create() {
  local second
  for second in $(seq 120); do
    [ -z "$(admin get node "$JOIN_NAME" -o name --ignore-not-found 2>/dev/null)" ] || break
    sleep 1
  done
  [ "$second" -lt 120 ] || refuse "the Node $JOIN_NAME is not in the cluster after $second seconds although the host has joined; see \"journalctl -u kubelet\" there."
  if [ "$JOIN_ROLE" = worker ]; then
    admin label node "$JOIN_NAME" node-role.kubernetes.io/worker= --overwrite >/dev/null ||
      refuse "the Node $JOIN_NAME could not be labelled; see the lines above."
  fi
  give_back "$JOIN_NAME"
  say "$JOIN_NAME is a member"
}
run_update() { run_create; }

run_delete() {
  local ready
  [ -e "$admin_kubeconfig" ] || return 0
  ready=$(admin get node "$JOIN_NAME" --ignore-not-found -o 'jsonpath={.metadata.name}={.status.conditions[?(@.type=="Ready")].status}') ||
    refuse "the API server does not answer, so $JOIN_NAME cannot be drained; bring the control plane back and run the update again."
  [ -n "$ready" ] || return 0
  if [ "$ready" = "$JOIN_NAME=True" ]; then
    # Pods without a controller cannot outlive their host.
    drain "$JOIN_NAME" --force
  else
    say "$JOIN_NAME gives no sign of life, so its pods cannot be asked to leave"
  fi
  admin delete node "$JOIN_NAME" --ignore-not-found --timeout=60s >/dev/null || refuse "the Node $JOIN_NAME could not be deleted; see the lines above."
  say "$JOIN_NAME is drained and its Node is deleted"
}
