# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the steps on a host share: how they speak and refuse, the lock against an interrupted predecessor, the host's claim.

# Nobody may be listening any more when an update was interrupted; the step still comes to a clean end.
trap : PIPE
trap 'exit 143' TERM INT HUP
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

readonly claim_file=/etc/sansproxy/claim
readonly admin_kubeconfig=/etc/kubernetes/admin.conf

say() { printf '%s: %s\n' "$HOST_NAME" "$1" || true; }

refuse() {
  printf 'sansproxy: host %s (%s): %s\n' "$HOST_NAME" "$HOST_ADDRESS" "$1" >&2 || true
  exit 1
}

# An update that was interrupted may still have its step running here: wait for it instead of working against it.
take_host_lock() {
  mkdir -p /run/lock
  exec 9>/run/lock/sansproxy
  flock -w "${LOCK_SECONDS:-600}" 9 ||
    refuse "another step still holds /run/lock/sansproxy, probably the rest of an interrupted update; wait until it ends (fuser /run/lock/sansproxy) and run the update again."
}

claim_field() { if [ -r "$claim_file" ]; then sed -n "s/^$1=//p" "$claim_file"; fi; }

# Notes a fact in the claim; an empty value takes it out.
claim_set() {
  [ -e "$claim_file" ] || return 0
  {
    grep -v "^$1=" "$claim_file" || true
    [ -z "$2" ] || printf '%s=%s\n' "$1" "$2"
  } >"$claim_file.new"
  mv "$claim_file.new" "$claim_file"
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi; }

# Whether kubeadm has made the host a member. Where it was interrupted it has not: what it left is taken back.
in_cluster() {
  as_root test -e /etc/kubernetes/kubelet.conf || return 1
  [ "$HOST_ROLE" = worker ] || [ "$(claim_field init)" = finished ] ||
    as_root test -e /var/lib/sansproxy/initialized || as_root test -e /var/lib/sansproxy/joined
}

# What looks like a token, a key or a digest is never shown.
redact() { sed -E 's/[a-z0-9]{6}\.[a-z0-9]{16}/<token>/g; s/[a-f0-9]{64}/<digest>/g'; }

# Runs a long program with its output in a log that only root reads; the last lines are shown when it fails.
logged() {
  local name=$1
  shift
  mkdir -p /var/log/sansproxy
  chmod 0700 /var/log/sansproxy
  if "$@" >"/var/log/sansproxy/$name.log" 2>&1 9>&-; then return 0; fi
  tail -n 40 "/var/log/sansproxy/$name.log" | redact >&2 || true
  return 1
}

admin() { kubectl --kubeconfig "$admin_kubeconfig" --request-timeout=30s "$@"; }

# The kubelet's own last complaints, which say more than a program that waited for it.
kubelet_complaints() {
  journalctl -u kubelet -n 400 --no-pager -o cat 2>/dev/null | grep -E '^[EF][0-9]{4} |[Ff]ailed' | cut -c 1-300 | tail -n 8 | redact >&2 || true
}
