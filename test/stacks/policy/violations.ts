// SPDX-License-Identifier: Apache-2.0
// For every rule of the policy pack: stacks that violate it, and the same ones put right.
import { unknownYet } from "../../../stacks/policy/rule.ts";
import type { Piece } from "./stack.ts";

type Pieces = Readonly<Record<string, Piece>>;

export interface Case {
  readonly rule: string;
  readonly what: string;
  readonly violating: Pieces;
  /** What the message has to say. */
  readonly says: string;
  readonly fine: Pieces;
}

const one = (type: string, props: Piece["props"] = {}, more: Partial<Piece> = {}): Pieces => ({
  it: { type, props, ...more },
});

/** A release of Cilium that no rule objects to, with other properties where a case gives them. */
export const release = (props: Piece["props"] = {}): Piece => ({
  type: "kubernetes:helm.sh/v3:Release",
  props: { name: "cilium", chart: "cilium", version: "1.20.0", skipAwait: true, values: goodValues, ...props },
});
const goodValues = {
  kubeProxyReplacement: true,
  k8sServiceHost: "10.0.0.1",
  k8sServicePort: 6443,
  socketLB: { enabled: true },
  kubeProxyReplacementHealthzBindAddr: "0.0.0.0:10256",
  routingMode: "tunnel",
  tunnelProtocol: "vxlan",
  ipam: { mode: "kubernetes" },
  enableIPv4Masquerade: true,
  bpf: { masquerade: true },
};
const released = (values: object): Pieces => ({ it: release({ values: { ...goodValues, ...values } }) });

const remote = (props: Piece["props"]): Pieces =>
  one("command:remote:Command", { connection: { host: "10.0.0.1", hostKey: "ssh-ed25519 AAAA" }, ...props });

const kubeadm = (cluster: string, init: string): string => `set -eu
KUBEADM_INIT='apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration:
  name: cp-1
${init}---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
${cluster}'
kubeadm init --config /tmp/init.yaml
`;
const [disabled, skipped] = ["proxy:\n  disabled: true\n", "skipPhases:\n  - addon/kube-proxy\n"];

const daemonSet = (name: string, image: string, command: string[] = []): Pieces =>
  one("kubernetes:apps/v1:DaemonSet", {
    metadata: { name },
    spec: { template: { spec: { containers: [{ name: "c", image, command }] } } },
  });

const cronJob = (container: object): Pieces =>
  one("kubernetes:batch/v1:CronJob", {
    spec: { jobTemplate: { spec: { template: { spec: { containers: [container] } } } } },
  });

const verification = (image: string): Pieces =>
  one("command:local:Command", {
    interpreter: ["node", "agent/sansproxy.mjs", "verify", "--datapath=cilium", `--image=${image}`],
  });

const nodes = (taints: unknown, after: readonly string[] = ["datapath"]): Pieces => ({
  cluster: { type: "aws:eks/cluster:Cluster", props: { bootstrapSelfManagedAddons: false } },
  datapath: release(),
  nodes: { type: "aws:eks/nodeGroup:NodeGroup", props: { taints }, after: ["cluster", ...after] },
});
const taint = { key: "node.cilium.io/agent-not-ready", value: "true", effect: "NO_EXECUTE" };

const pool = (cluster: object, after: readonly string[] = []): Pieces => ({
  cluster: { type: "gcp:container/cluster:Cluster", props: { ...cluster } },
  nodes: { type: "gcp:container/nodePool:NodePool", props: {}, after: ["cluster", ...after] },
});

const printed = { create: "cat /etc/kubernetes/admin.conf", logging: "none" };

export const cases: readonly Case[] = [
  {
    rule: "no-kube-proxy-addon",
    what: "an add-on of AWS' API",
    violating: one("aws:eks/addon:Addon", { addonName: "kube-proxy" }),
    says: "is the kube-proxy add-on",
    fine: one("aws:eks/addon:Addon", { addonName: "coredns" }),
  },
  {
    rule: "no-kube-proxy-addon",
    what: "eks.Cluster with its defaults",
    violating: one("eks:index:Cluster", { bootstrapSelfManagedAddons: false }),
    says: "true when left out",
    fine: one("eks:index:Cluster", { bootstrapSelfManagedAddons: false, kubeProxyAddonOptions: { enabled: false } }),
  },
  {
    rule: "no-bootstrap-addons",
    what: "an EKS cluster that leaves the choice to AWS",
    violating: one("aws:eks/cluster:Cluster", {}),
    says: "bootstrapSelfManagedAddons not set",
    fine: one("aws:eks/cluster:Cluster", { bootstrapSelfManagedAddons: false }),
  },
  {
    rule: "no-bootstrap-addons",
    what: "an EKS cluster that asks for AWS' add-ons",
    violating: one("aws:eks/cluster:Cluster", { bootstrapSelfManagedAddons: true }),
    says: "starts kube-proxy on every node",
    fine: one("aws:eks/cluster:Cluster", { computeConfig: { enabled: true } }),
  },
  {
    rule: "no-kube-proxy-workload",
    what: "the image under another name",
    violating: daemonSet("services", "registry.k8s.io/kube-proxy:v1.36.3"),
    says: "runs kube-proxy in a container",
    fine: daemonSet("services", "registry.k8s.io/kube-proxy-watcher:v1.0.0"),
  },
  {
    rule: "no-kube-proxy-workload",
    what: "the program in another image",
    violating: daemonSet("services", "example.com/tools:1.0.0", ["/usr/local/bin/kube-proxy", "--config=x"]),
    says: "runs kube-proxy in a container",
    fine: daemonSet("services", "example.com/tools:1.0.0", ["sh", "-c", "rm kube-proxy.manifest"]),
  },
  {
    rule: "no-kube-proxy-workload",
    what: "a CronJob that runs it",
    violating: cronJob({ image: "registry.k8s.io/kube-proxy:v1.36.3" }),
    says: "runs kube-proxy in a container",
    fine: cronJob({ image: "example.com/tools:1.0.0" }),
  },
  {
    rule: "no-kube-proxy-workload",
    what: "its ConfigMap, and no patch that takes it away",
    violating: one("kubernetes:core/v1:ConfigMap", { metadata: { name: "kube-proxy" } }),
    says: "is kube-proxy's ConfigMap",
    fine: one("kubernetes:apps/v1:DaemonSetPatch", { metadata: { name: "kube-proxy" } }),
  },
  {
    rule: "no-kube-proxy-workload",
    what: "a chart",
    violating: one("kubernetes:helm.sh/v3:Release", { chart: "oci://example.com/charts/kube-proxy", version: "1.0.0" }),
    says: "installs a chart of kube-proxy",
    fine: one("kubernetes:helm.sh/v3:Release", { chart: "oci://example.com/charts/coredns", version: "1.0.0" }),
  },
  {
    rule: "kubeadm-without-kube-proxy",
    what: "a ClusterConfiguration with kube-proxy",
    violating: remote({ create: "bash -s", stdin: kubeadm("proxy: {}\n", skipped) }),
    says: "proxy.disabled is not true",
    fine: remote({ create: "bash -s", stdin: kubeadm(disabled, skipped) }),
  },
  {
    rule: "kubeadm-without-kube-proxy",
    what: "an InitConfiguration that skips nothing",
    violating: remote({ create: "bash -s", stdin: kubeadm(disabled, "") }),
    says: 'InitConfiguration whose skipPhases lack "addon/kube-proxy"',
    fine: remote({ create: "bash -s", stdin: kubeadm(disabled, skipped) }),
  },
  {
    rule: "kubeadm-without-kube-proxy",
    what: "an upgrade that brings kube-proxy back",
    violating: remote({
      stdin: `cat <<EOF >upgrade.yaml\napiVersion: kubeadm.k8s.io/v1beta4\nkind: UpgradeConfiguration\napply:\n  ${skipped.replaceAll("\n", "\n  ")}\nEOF\n`,
    }),
    says: "node.skipPhases",
    fine: remote({
      stdin: `cat <<EOF >upgrade.yaml\napiVersion: kubeadm.k8s.io/v1beta4\nkind: UpgradeConfiguration\napply: {skipPhases: [addon/kube-proxy]}\nnode: {skipPhases: [addon/kube-proxy]}\nEOF\n`,
    }),
  },
  {
    rule: "kubeadm-without-kube-proxy",
    what: "a bare kubeadm init",
    violating: remote({ create: "sudo kubeadm init \\\n  --pod-network-cidr 10.244.0.0/16" }),
    says: "without --skip-phases=addon/kube-proxy",
    fine: remote({ create: "sudo kubeadm init --skip-phases=addon/kube-proxy" }),
  },
  {
    rule: "gke-dataplane-v2",
    what: "a GKE cluster with Google's old datapath",
    violating: one("gcp:container/cluster:Cluster", { datapathProvider: "LEGACY_DATAPATH" }),
    says: "run kube-proxy as a static Pod",
    fine: one("gcp:container/cluster:Cluster", { datapathProvider: "ADVANCED_DATAPATH" }),
  },
  {
    rule: "gke-dataplane-v2",
    what: "a GKE cluster that leaves the choice to Google",
    violating: one("gcp:container/cluster:Cluster", {}),
    says: "datapathProvider not set",
    fine: one("gcp:container/cluster:Cluster", { enableAutopilot: true }),
  },
  {
    rule: "api-server-host",
    what: "no host at all",
    violating: released({ k8sServiceHost: "" }),
    says: "wait for each other for ever",
    fine: released({ k8sServiceHost: unknownYet }),
  },
  {
    rule: "api-server-host",
    what: "a host that is looked up",
    violating: released({ k8sServiceHost: "auto" }),
    says: 'k8sServiceHost "auto"',
    fine: released({ k8sServiceHost: undefined, k8sServiceHostRef: { name: "cilium-api-server", key: "host" } }),
  },
  {
    rule: "possible-values",
    what: "BPF masquerading where nothing is masqueraded",
    violating: released({ enableIPv4Masquerade: false }),
    says: "bpf.masquerade",
    fine: released({ enableIPv4Masquerade: false, bpf: { masquerade: false } }),
  },
  {
    rule: "possible-values",
    what: "direct return through a tunnel",
    violating: released({ loadBalancer: { mode: "dsr" } }),
    says: "loadBalancer.mode",
    fine: released({ loadBalancer: { mode: "snat" } }),
  },
  {
    rule: "possible-values",
    what: "a key that the chart would ignore",
    violating: released({ kubeProxyReplacment: true }),
    says: 'did you mean "kubeProxyReplacement"?',
    fine: released({}),
  },
  {
    rule: "possible-values",
    what: "the agent with a tunnel",
    violating: {
      it: release({
        name: "sansproxy",
        chart: "/x/agent/chart",
        values: { ...goodValues, routingMode: "tunnel", ipv4NativeRoutingCIDR: "10.244.0.0/16" },
      }),
    },
    says: "the agent has no tunnel",
    fine: released({}),
  },
  {
    rule: "datapath-not-awaited",
    what: "a release that waits for its Pods",
    violating: { it: release({ skipAwait: false }) },
    says: "before there is a node",
    fine: { it: release() },
  },
  {
    rule: "datapath-not-awaited",
    what: "an atomic release",
    violating: { it: release({ atomic: true }) },
    says: "is atomic",
    fine: { it: release({ atomic: false }) },
  },
  {
    rule: "pinned-images",
    what: "an image with no tag",
    violating: daemonSet("a", "registry.example.com:5000/tool"),
    says: "has no tag",
    fine: daemonSet("a", `registry.example.com:5000/tool@sha256:${"a".repeat(64)}`),
  },
  {
    rule: "pinned-images",
    what: "an image whose tag moves",
    violating: daemonSet("a", "tool:latest"),
    says: "whose tag moves",
    fine: daemonSet("a", "tool:1.2.3"),
  },
  {
    rule: "pinned-images",
    what: "an image of a CronJob whose tag moves",
    violating: cronJob({ image: "tool:latest" }),
    says: "whose tag moves",
    fine: cronJob({ image: "tool:1.2.3" }),
  },
  {
    rule: "pinned-images",
    what: "the image of a verification's probes whose tag moves",
    violating: verification("registry.example.com:5000/agent:latest"),
    says: 'runs "registry.example.com:5000/agent:latest", whose tag moves',
    fine: verification("registry.example.com:5000/agent:0.1.0"),
  },
  {
    rule: "pinned-images",
    what: "a chart in a range of versions",
    violating: { it: release({ version: "~1.20", repositoryOpts: { repo: "https://helm.cilium.io/" } }) },
    says: "which is a range",
    fine: { it: release({ repositoryOpts: { repo: "https://helm.cilium.io/" } }) },
  },
  {
    rule: "pinned-images",
    what: "a moving tag among a chart's values",
    violating: released({ hubble: { relay: { image: { tag: "latest" } } } }),
    says: "values.hubble.relay.image.tag",
    fine: released({ hubble: { relay: { image: { tag: "v1.20.0" } } } }),
  },
  {
    rule: "kubeconfig-secret",
    what: "a command that prints a kubeconfig",
    violating: remote(printed),
    says: "into an output that is not secret",
    fine: one(
      "command:remote:Command",
      { ...printed, connection: { host: "10.0.0.1", hostKey: "ssh-ed25519 AAAA" } },
      { additionalSecretOutputs: ["stdout", "stderr"] },
    ),
  },
  {
    rule: "kubeconfig-secret",
    what: "a command that logs a kubeconfig",
    violating: one(
      "command:local:Command",
      { create: "base64 /etc/kubernetes/admin.conf" },
      { additionalSecretOutputs: ["stdout"] },
    ),
    says: "into the log",
    fine: one("command:local:Command", { create: "cat /etc/kubernetes/admin.conf >/root/.kube/config" }),
  },
  {
    rule: "ssh-host-key",
    what: "a host whose key is not checked",
    violating: one("command:remote:Command", { create: "true", connection: { host: "10.0.0.1" } }),
    says: 'logs in to host "10.0.0.1" without checking its key',
    fine: one("command:remote:Command", { create: "true", connection: { host: "10.0.0.1", hostKey: unknownYet } }),
  },
  {
    rule: "ssh-host-key",
    what: "a bastion whose key is not checked",
    violating: one("command:remote:CopyToRemote", {
      connection: {
        host: "10.0.0.1",
        hostKey: "ssh-ed25519 AAAA",
        proxy: { host: "bastion.example.com", hostKey: "" },
      },
    }),
    says: 'bastion "bastion.example.com"',
    fine: one("command:remote:CopyToRemote", {
      connection: {
        host: "10.0.0.1",
        hostKey: "ssh-ed25519 AAAA",
        proxy: { host: "bastion.example.com", hostKey: "ssh-ed25519 BBBB" },
      },
    }),
  },
  {
    rule: "datapath-before-nodes",
    what: "nodes that do not wait",
    violating: nodes([taint], []),
    says: "NotReady until the cloud gives up",
    fine: nodes([taint]),
  },
  {
    rule: "datapath-before-nodes",
    what: "nodes inside a component that waits for another one",
    violating: { ...nodes([taint], []), component: { type: "sansproxy:index:Datapath" } },
    says: "does not wait for a datapath",
    fine: {
      component: { type: "sansproxy:index:Datapath" },
      datapath: { ...release(), parent: "component" },
      group: { type: "eks:index:ManagedNodeGroup", props: { taints: [taint] }, after: ["component"] },
      nodes: { type: "aws:eks/nodeGroup:NodeGroup", props: { taints: [taint] }, parent: "group" },
    },
  },
  {
    rule: "datapath-before-nodes",
    what: "a GKE node pool with no datapath, where Google brings none",
    violating: pool({ datapathProvider: "LEGACY_DATAPATH" }),
    says: "does not wait for a datapath",
    fine: pool({ datapathProvider: "ADVANCED_DATAPATH" }),
  },
  {
    rule: "agent-not-ready-taint",
    what: "nodes for Cilium with no taint",
    violating: nodes(undefined),
    says: 'no taint "node.cilium.io/agent-not-ready"',
    fine: nodes([taint]),
  },
  {
    rule: "agent-not-ready-taint",
    what: "a taint that keeps no Pod away",
    violating: nodes([{ ...taint, effect: "PREFER_NO_SCHEDULE" }]),
    says: "lets Pods start before Cilium",
    fine: nodes(unknownYet),
  },
];
