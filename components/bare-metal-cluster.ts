// SPDX-License-Identifier: Apache-2.0
// Kubernetes without kube-proxy on servers that are reachable by SSH, made by kubeadm.

import * as pulumi from "@pulumi/pulumi";
import type { BareMetalClusterArgs } from "./internal/bare-metal/args.ts";
import { controlPlane } from "./internal/bare-metal/control-plane.ts";
import { fixedFacts, type HostContext, hostContexts, preflight, prepare } from "./internal/bare-metal/host-steps.ts";
import { checkInputs } from "./internal/bare-metal/inputs.ts";
import { type JoinedNode, joinNode } from "./internal/bare-metal/joined-node.ts";
import type { KubeadmCluster } from "./internal/bare-metal/kubeadm-config.ts";
import type { KubernetesCluster, KubernetesNode } from "./kubernetes-cluster.ts";

export type {
  BareMetalClusterArgs,
  BareMetalHostArgs,
  BastionArgs,
  ControlPlaneEndpointArgs,
  PackageRepositoryArgs,
} from "./internal/bare-metal/args.ts";

/** So many workers join at the same time: each takes two of the update's parallel steps. */
const joinsAtOnce = 2;

/** A Kubernetes cluster on bare servers that never runs kube-proxy. */
export class BareMetalCluster extends pulumi.ComponentResource {
  /** The cluster as data, for Datapath and Verification. */
  readonly cluster: KubernetesCluster;
  /** Administrator's kubeconfig. Secret. */
  readonly kubeconfig: pulumi.Output<string>;
  /** All nodes, known when every host has joined. */
  readonly nodes: pulumi.Output<KubernetesNode[]>;

  constructor(name: string, args: BareMetalClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    const what = `BareMetalCluster "${name}"`;
    const inputs = checkInputs(what, name, args);
    super("sansproxy:index:BareMetalCluster", name, {}, opts);

    const clusterId = `${pulumi.getProject()}/${pulumi.getStack()}/${name}`;
    const ignorePreflightErrors = args.ignorePreflightErrors ?? [];
    const contexts = hostContexts(name, clusterId, args, inputs);
    const first = firstControlPlane(contexts);
    const endpointHost = pulumi.output(args.controlPlaneEndpoint?.host ?? first.host.address);
    const endpointPort = pulumi.output(args.controlPlaneEndpoint?.port ?? 6443);
    const kubeadmCluster: pulumi.Output<KubeadmCluster> = pulumi
      .all([endpointHost, endpointPort, inputs.podCidrs, inputs.serviceCidrs])
      .apply(([host, port, podCidrs, serviceCidrs]) => ({
        name,
        kubernetesVersion: inputs.kubernetesVersion,
        endpointHost: host,
        endpointPort: port,
        podCidrs,
        serviceCidrs,
        dnsDomain: args.dnsDomain ?? "cluster.local",
        certSans: args.certSans ?? [],
        keepImages: inputs.bundle !== undefined,
      }));

    const facts = fixedFacts(kubeadmCluster, first);
    const minimumKernel = args.minimumKernelVersion ?? "6.6";
    const preflights = contexts.map((context) => preflight(context, inputs, facts, minimumKernel, this));
    const prepared = new Map(contexts.map((context) => [context, prepare(context, inputs, facts, preflights, this)]));
    const preparedStep = (context: HostContext): pulumi.Resource => prepared.get(context) as pulumi.Resource;

    const upgrade = { what, inputs, ignorePreflightErrors, drainSeconds: args.drainTimeoutSeconds ?? 120 };
    const control = controlPlane(name, first, kubeadmCluster, upgrade, preparedStep(first), this);
    let last: pulumi.Resource = control.upgrade;
    const join = (context: HostContext, after: readonly pulumi.Resource[]): JoinedNode => {
      const prepared = preparedStep(context);
      const joining = { cluster: kubeadmCluster, upgrade, prepared, after, upgradedBefore: [last] };
      const node = joinNode(context, control, joining, this);
      last = node.member;
      return node;
    };
    const others = contexts.filter((context) => context !== first);
    const joined = [
      // etcd takes its members one by one.
      ...joinInTurn(
        others.filter(({ host }) => host.role === "control-plane"),
        1,
        join,
      ),
      ...joinInTurn(
        others.filter(({ host }) => host.role === "worker"),
        joinsAtOnce,
        join,
      ),
    ];

    this.kubeconfig = control.kubeconfig;
    const addresses = pulumi.all(inputs.hosts.map((host) => host.address));
    const allJoined = pulumi.all([control.upgrade.id, ...joined.map(({ member }) => member.id)]);
    this.nodes = pulumi
      .all([addresses, allJoined])
      .apply(([known]) =>
        inputs.hosts.map(({ name: node, role }, index) => ({ name: node, address: known[index] ?? "", role })),
      );
    this.cluster = {
      name,
      // The step that made the cluster keeps its id for as long as the cluster lives.
      identifier: control.init.id.apply((id) => `${name}-${id}`),
      platform: "bare-metal",
      kubernetesVersion: inputs.kubernetesVersion,
      kubeconfig: this.kubeconfig,
      apiServerHost: endpointHost,
      apiServerPort: endpointPort,
      podCidrs: inputs.podCidrs,
      serviceCidrs: inputs.serviceCidrs,
      nodes: this.nodes,
      capabilities: { podCidrPerNode: true, nativeRouting: true, ownsCni: false },
    };
    this.registerOutputs({ kubeconfig: this.kubeconfig, nodes: this.nodes });
  }
}

function firstControlPlane(contexts: readonly HostContext[]): HostContext {
  const first = contexts.find(({ host }) => host.role === "control-plane");
  if (first === undefined) throw new Error("The rules for hosts let a list without a control plane pass.");
  return first;
}

/** Lets `width` hosts join at a time: each waits for the one that many places before it. */
function joinInTurn(
  contexts: readonly HostContext[],
  width: number,
  join: (context: HostContext, after: readonly pulumi.Resource[]) => JoinedNode,
): JoinedNode[] {
  const joined: JoinedNode[] = [];
  for (const context of contexts) {
    const before = joined[joined.length - width];
    joined.push(join(context, before === undefined ? [] : [before.join, before.member]));
  }
  return joined;
}
