# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Gives a secret of the control plane in sealed form: what a failed step shows of its output is then worth nothing.

seal() { openssl enc -aes-256-cbc -pbkdf2 -iter 10000 -md sha256 -a -A -pass fd:3 3<<<"$SEAL_KEY"; }

reveal_kubeconfig() { cat "$admin_kubeconfig"; }

reveal_credentials() {
  kubeadm token generate
  kubeadm certs certificate-key
}

run_create() {
  local text
  text=$("reveal_$SEALED") || refuse "its $SEALED could not be read; see whether kubeadm init has succeeded there."
  seal <<<"$text"
}
run_update() { run_create; }
