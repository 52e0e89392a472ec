# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What follows every work of kubeadm on a control plane: kube-proxy is not in the cluster.

forbid_kube_proxy() {
  [ -z "$(admin -n kube-system get daemonset,configmap kube-proxy --ignore-not-found -o name)" ] ||
    refuse "kubeadm installed kube-proxy although it is disabled in the configuration; report this with the version of kubeadm ($(kubeadm version -o short))."
}
