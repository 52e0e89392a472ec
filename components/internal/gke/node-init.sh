# SPDX-License-Identifier: Apache-2.0
# Takes kube-proxy from a node of GKE and keeps it away: its static Pod's manifest is put aside, and its rules are removed.
set -eu
manifests=${MANIFESTS:-/etc/kubernetes/manifests}
aside=${ASIDE:-/etc/kubernetes/kube-proxy.manifest.aside}
pause=${PAUSE:-5}
rounds=${ROUNDS:-0}
# Chains that only kube-proxy makes; the kubelet's own (KUBE-FIREWALL, KUBE-MARK-*, KUBE-KUBELET-CANARY) stay.
chains='KUBE-(SERVICES|EXTERNAL-SERVICES|NODEPORTS|FORWARD|POSTROUTING|PROXY-(CANARY|FIREWALL)|(SVC|SVL|SEP|EXT|FW|XLB)-[A-Z0-9]+)'

put_aside() {
  for manifest in "$manifests"/kube-proxy*; do
    [ -e "$manifest" ] || continue
    # On one file system this is a rename: the kubelet never sees half a manifest.
    mv -f "$manifest" "$aside"
    echo "put aside $manifest: the kubelet ends kube-proxy"
  done
}

# One transaction for each table that has such chains: the jumps into them, their rules, and then themselves.
remove_rules() {
  tool=$1
  command -v "$tool-save" >/dev/null || return 0
  for table in nat filter mangle raw; do
    dump=$("$tool-save" -t "$table" 2>/dev/null) || continue
    echo "$dump" | grep -Eq "^:$chains " || continue
    {
      echo "*$table"
      echo "$dump" | grep -E "^:$chains "
      echo "$dump" | grep -E "^-A .* -j $chains( |\$)" | grep -Ev "^-A $chains " | sed 's/^-A/-D/' || true
      echo "$dump" | grep -E "^:$chains " | sed -E 's/^:([^ ]+) .*/-X \1/'
      echo COMMIT
    } | "$tool-restore" --noflush
    echo "removed kube-proxy's rules from $tool $table"
  done
}

round=0
while :; do
  put_aside
  # As long as it runs it would write its rules again.
  if ! pgrep -x kube-proxy >/dev/null; then
    remove_rules iptables
    remove_rules ip6tables
  fi
  round=$((round + 1))
  if [ "$rounds" -gt 0 ] && [ "$round" -ge "$rounds" ]; then exit 0; fi
  sleep "$pause"
done
