# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Runs on the control plane before a host is upgraded: its Pods go elsewhere. A host that runs the version already keeps them.

run_create() {
  local version
  version=$(admin get node "$JOIN_NAME" --ignore-not-found -o 'jsonpath={.status.nodeInfo.kubeletVersion}') ||
    refuse "the API server does not say which version $JOIN_NAME runs; see the lines above."
  if [ -z "$version" ] || [ "$version" = "$KUBERNETES_VERSION" ]; then
    say "$JOIN_NAME needs no upgrade"
    return 0
  fi
  take_out_of_use "$JOIN_NAME"
  say "$JOIN_NAME is drained for its upgrade from $version to $KUBERNETES_VERSION"
}
run_update() { run_create; }
