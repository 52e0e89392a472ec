# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Takes a Node out of use and gives it back, from a control plane.

readonly cordon_mark=sansproxy.io/cordoned-for

# Cordons a Node and asks its Pods to leave; more options of "kubectl drain" may follow the name.
drain() {
  local node=$1
  shift
  logged "drain-$node" timeout -k 10 $((DRAIN_SECONDS + 30)) kubectl --kubeconfig "$admin_kubeconfig" drain "$node" \
    --ignore-daemonsets --delete-emptydir-data --timeout="${DRAIN_SECONDS}s" "$@" ||
    refuse "$node could not be drained within $DRAIN_SECONDS seconds and stays in the cluster, cordoned; the lines above name the pods: correct their PodDisruptionBudget, delete those that no controller would make again, or raise drainTimeoutSeconds, and run the update again."
}

# An administrator's own cordon is not ours to lift: ours is marked, and the mark comes before it.
take_out_of_use() {
  local cordoned
  cordoned=$(admin get node "$1" -o 'jsonpath={.spec.unschedulable}') || refuse "the Node $1 could not be read; see the lines above."
  if [ "$cordoned" != true ]; then
    admin annotate node "$1" "$cordon_mark=$KUBERNETES_VERSION" --overwrite >/dev/null ||
      refuse "the Node $1 could not be marked for its upgrade; see the lines above."
  fi
  drain "$1"
}

# The mark goes last, so that an interruption leaves no Node cordoned for ever.
give_back() {
  local mark
  mark=$(admin get node "$1" -o "jsonpath={.metadata.annotations.${cordon_mark//./\\.}}") ||
    refuse "the Node $1 could not be read; see the lines above."
  [ -n "$mark" ] || return 0
  { admin uncordon "$1" && admin annotate node "$1" "$cordon_mark-"; } >/dev/null ||
    refuse "the Node $1 could not be taken back into use; see the lines above."
}
