// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import {
  authority,
  initConfiguration,
  joinConfiguration,
  type KubeadmCluster,
  type KubeadmNode,
  upgradeConfiguration,
  uploadCertsConfiguration,
} from "../../components/internal/bare-metal/kubeadm-config.ts";

const cluster: KubeadmCluster = {
  name: "metal",
  kubernetesVersion: "v1.36.3",
  endpointHost: "10.89.0.11",
  endpointPort: 6443,
  podCidrs: ["10.244.0.0/16"],
  serviceCidrs: ["10.96.0.0/12"],
  dnsDomain: "cluster.local",
  certSans: ["api.example"],
  keepImages: true,
};
const node: KubeadmNode = {
  name: "cp-1",
  address: "10.89.0.11",
  ipv6Address: "",
  role: "control-plane",
  ignorePreflightErrors: [],
};
const credentials = {
  token: "abcdef.0123456789abcdef",
  certificateKey: "c".repeat(64),
  caCertHash: `sha256:${"d".repeat(64)}`,
};

describe("kubeadm's configuration", () => {
  it("for the first control plane is the one on record", async () => {
    await expect(initConfiguration(cluster, node, 6443)).toMatchFileSnapshot("golden/kubeadm-init.yaml");
  });

  it("for later upgrades is the one on record", async () => {
    await expect(upgradeConfiguration([])).toMatchFileSnapshot("golden/kubeadm-upgrade.yaml");
  });

  it("ignores in an upgrade the same checks as at the beginning, in each of its commands", () => {
    const upgrade = parseAllDocuments(upgradeConfiguration(["SystemVerification"]))[0]?.toJS();
    for (const command of ["plan", "apply", "node"]) {
      expect(upgrade[command].ignorePreflightErrors, command).toEqual(["SystemVerification"]);
    }
    for (const command of ["apply", "node"]) expect(upgrade[command].skipPhases).toEqual(["addon/kube-proxy"]);
  });

  it("for a worker is the one on record", async () => {
    const worker = {
      ...node,
      name: "worker-1",
      address: "10.89.0.21",
      role: "worker",
      ignorePreflightErrors: ["SystemVerification"],
    };
    await expect(joinConfiguration(cluster, worker, 6443, credentials)).toMatchFileSnapshot(
      "golden/kubeadm-join-worker.yaml",
    );
  });

  it("for a further control plane is the one on record", async () => {
    const second = { ...node, name: "cp-2", address: "10.89.0.12" };
    await expect(joinConfiguration(cluster, second, 6443, credentials)).toMatchFileSnapshot(
      "golden/kubeadm-join-control-plane.yaml",
    );
  });

  it("names networks and node addresses of both families, IPv4 first", () => {
    const dual = {
      ...cluster,
      podCidrs: ["10.244.0.0/16", "fd00:10:244::/56"],
      serviceCidrs: ["10.96.0.0/16", "fd00:10:96::/112"],
    };
    const dualNode = { ...node, ipv6Address: "fd00:10:89::11" };
    const documents = parseAllDocuments(initConfiguration(dual, dualNode, 6443));
    expect(documents[1]?.toJS().networking).toEqual({
      podSubnet: "10.244.0.0/16,fd00:10:244::/56",
      serviceSubnet: "10.96.0.0/16,fd00:10:96::/112",
      dnsDomain: "cluster.local",
    });
    for (const text of [documents[0]?.toString(), joinConfiguration(dual, dualNode, 6443, credentials)]) {
      expect(text).toContain("name: node-ip\n      value: 10.89.0.11,fd00:10:89::11");
    }
  });

  it("takes every part from one API version", () => {
    const texts = [
      initConfiguration(cluster, node, 6443),
      upgradeConfiguration([]),
      uploadCertsConfiguration(cluster, "k"),
    ];
    const versions = texts.flatMap((text) => parseAllDocuments(text).map((document) => document.get("apiVersion")));
    expect(new Set(versions)).toEqual(new Set(["kubeadm.k8s.io/v1beta4", "kubelet.config.k8s.io/v1beta1"]));
  });

  it("lets the kubelet throw images away where they can be pulled again", () => {
    expect(initConfiguration({ ...cluster, keepImages: false }, node, 6443)).not.toContain("imageGC");
  });

  it("writes an IPv6 endpoint in brackets", () => {
    expect(authority("fd00::1", 6443)).toBe("[fd00::1]:6443");
    expect(authority("api.example", 443)).toBe("api.example:443");
  });
});
