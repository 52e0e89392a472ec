// SPDX-License-Identifier: Apache-2.0
// Installs what serves Services in a cluster that has no kube-proxy, before its workers have joined.

import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { anewWithCluster, clusterAnnotation } from "./internal/anew-with-cluster.ts";
import { apiServerReference, apiServerValues } from "./internal/api-server-values.ts";
import { agentEngine } from "./internal/datapath-agent.ts";
import { ciliumEngine, ciliumWarnings, predictedMaps } from "./internal/datapath-cilium.ts";
import {
  type DatapathChoice,
  type DatapathEngine,
  type DatapathFacts,
  hasOutput,
  type KnownFacts,
} from "./internal/datapath-engine.ts";
import type { DatapathOptions, ExpectedLoad } from "./internal/datapath-options.ts";
import { engineRule } from "./internal/datapath-rules.ts";
import { knownNow, refuseProblems } from "./internal/input-errors.ts";
import { secondsInput } from "./internal/time-limit.ts";
import type { KubernetesCluster } from "./kubernetes-cluster.ts";

export type {
  AlertRulesOptions,
  BandwidthManagerOptions,
  BpfOptions,
  CniOptions,
  DashboardsOptions,
  DatapathOptions,
  EniOptions,
  ExpectedLoad,
  ImageOptions,
  IpamOptions,
  LoadBalancerOptions,
  MaglevOptions,
  NodePortOptions,
  OperatorOptions,
  PrometheusOptions,
  ServiceMonitorOptions,
  SocketLbOptions,
  SwitchOptions,
} from "./internal/datapath-options.ts";

/** Inputs of Datapath. */
export interface DatapathArgs extends DatapathOptions {
  /** The cluster that gets the datapath. */
  cluster: KubernetesCluster;
  /**
   * What serves Services: `agent`, this package's own datapath, or `cilium`, the upstream chart. The agent enforces no
   * NetworkPolicy: without another enforcer, every Pod reaches every other.
   */
  engine: string;
  /**
   * How Cilium runs. Bare metal: `native` (one network segment) or `tunnel`; EKS: `eni` (private subnets with NAT),
   * `eni-masquerading`, `chaining` (beside AWS' VPC CNI) or `overlay`; GKE: `self-managed`. Cilium only.
   * @default "native" or "tunnel" as the nodes' network allows, "eni" or, with the platform's CNI, "chaining", "self-managed"
   */
  mode?: pulumi.Input<string>;
  /**
   * Version of Cilium's chart. Cilium only.
   * @default "1.20.0"
   */
  version?: pulumi.Input<string>;
  /**
   * Where Cilium's chart is: a repository (`https://...`), a registry (`oci://...`), or a local folder or archive for closed
   * networks. Cilium only.
   * @default "https://helm.cilium.io/"
   */
  chartSource?: pulumi.Input<string>;
  /**
   * Oldest kernel of the nodes, such as `6.8`; what needs a newer one is refused. Cilium only.
   * @default unknown
   */
  minimumKernelVersion?: pulumi.Input<string>;
  /**
   * What the cluster will hold: Cilium's maps are sized by it, and what does not fit is refused. Cilium only.
   * @default unknown, with the chart's sizes
   */
  expected?: ExpectedLoad;
  /** Values for the chart, merged last, over the options above. */
  // biome-ignore lint/suspicious/noExplicitAny: chart values are a tree of anything, checked against the chart's keys.
  helmValues?: pulumi.Input<{ [key: string]: any }>;
  /**
   * How long, in seconds, the installation of the chart's objects may take.
   * @default 900
   */
  timeoutSeconds?: pulumi.Input<number>;
}

const engines: Readonly<Record<string, DatapathEngine>> = { agent: agentEngine, cilium: ciliumEngine };

/** The part of the cluster that serves Services. */
export class Datapath extends pulumi.ComponentResource {
  /** The values that the chart was installed with. */
  // biome-ignore lint/suspicious/noExplicitAny: a schema for other languages knows "any", and not "unknown".
  readonly effectiveValues: pulumi.Output<{ [key: string]: any }>;
  /** Name of the Helm release; known when its objects are in the cluster, not when its agents are ready. */
  readonly releaseName: pulumi.Output<string>;
  /** Memory, in MiB, that Cilium's maps of Services and connections take on a node; absent with the engine `agent`. */
  readonly predictedMapMemoryMib?: pulumi.Output<number>;

  constructor(name: string, args: DatapathArgs, opts?: pulumi.ComponentResourceOptions) {
    const { cluster, engine: engineName, timeoutSeconds = 900, ...chosen } = args;
    const what = `Datapath "${name}"`;
    refuseProblems(what, engineRule(engineName));
    const timeout = secondsInput(what, timeoutSeconds);
    const engine = engines[engineName] as DatapathEngine;
    const choiceInput = choiceOf(chosen);
    if (!hasOutput(choiceInput)) refuseProblems(what, engine.problems(choiceInput, factsNow(cluster)));
    super("sansproxy:index:Datapath", name, {}, opts);

    const provider = new kubernetes.Provider(
      `${name}-kubernetes`,
      { kubeconfig: pulumi.secret(cluster.kubeconfig), clusterIdentifier: cluster.name, deleteUnreachable: true },
      { parent: this },
    );
    const within = {
      parent: this,
      provider,
      ...(opts?.deletedWith === undefined ? {} : { deletedWith: opts.deletedWith }),
    };
    const choice = pulumi.output(choiceInput as unknown) as pulumi.Output<DatapathChoice>;
    // A cloud's API server has no address before the cluster exists: values that refer to it can be read in a preview.
    const byReference = cluster.platform !== "bare-metal";
    const facts = knownFacts(cluster, byReference);
    this.effectiveValues = pulumi.all([choice, facts]).apply(([known, of]) => {
      refuseProblems(what, engine.problems(known, of));
      const { apiServerHost: host, apiServerPort: port } = of;
      return {
        ...engine.values(known, of),
        ...apiServerValues(engine.releaseName, host === undefined ? { port } : { host, port }),
      };
    });
    const dependsOn = [
      ...asList(opts?.dependsOn),
      ...(byReference ? [apiServerHost(name, what, cluster, engine, choice, within)] : []),
    ];
    if (engineName === "cilium") {
      this.predictedMapMemoryMib = pulumi.all([choice, facts, this.effectiveValues]).apply(([known, of, values]) => {
        const { mib, sentence } = predictedMaps(known, values);
        for (const warning of ciliumWarnings(known, of)) void pulumi.log.warn(`${what}: ${warning}`, this);
        void pulumi.log.info(`${what}: ${sentence}`, this);
        return mib;
      });
    }
    const place = choice.apply((known) => engine.chart(known));
    // What a chart of this kind has no need of is left out of the inputs when it is known to be undefined.
    const version = place.apply((known) => known.version) as pulumi.Output<string>;
    const repositoryOpts = place.apply(({ repository }) =>
      repository === undefined ? undefined : { repo: repository },
    ) as pulumi.Output<{ repo: string }>;
    // Waiting for Pods here would wait for nodes that join later: readiness is Verification's to judge.
    const release = new kubernetes.helm.v3.Release(
      `${name}-release`,
      {
        name: engine.releaseName,
        namespace: "kube-system",
        chart: place.chart,
        version,
        repositoryOpts,
        values: this.effectiveValues,
        skipAwait: true,
        atomic: false,
        timeout,
        description: pulumi.interpolate`for cluster ${cluster.identifier ?? cluster.name}`,
      },
      { ...within, dependsOn, ...anewWithCluster("description") },
    );
    this.releaseName = release.name;
    this.registerOutputs({
      effectiveValues: this.effectiveValues,
      releaseName: this.releaseName,
      ...(this.predictedMapMemoryMib === undefined ? {} : { predictedMapMemoryMib: this.predictedMapMemoryMib }),
    });
  }
}

type Dependencies = pulumi.ComponentResourceOptions["dependsOn"];

/** What this component waits for, its release has to wait for: a child does not do so by itself. */
function asList(dependsOn: Dependencies): pulumi.Input<pulumi.Resource>[] {
  if (dependsOn === undefined) return [];
  return (Array.isArray(dependsOn) ? dependsOn : [dependsOn]) as pulumi.Input<pulumi.Resource>[];
}

/** The inputs, told apart: beside the chart's values, options as values, and values as they are. */
function choiceOf(chosen: Omit<DatapathArgs, "cluster" | "engine" | "timeoutSeconds">): DatapathChoice {
  const { helmValues, mode, version, chartSource, minimumKernelVersion, expected, ...options } = chosen;
  return {
    settings: { mode, version, chartSource, minimumKernelVersion, expected },
    options: options as DatapathChoice["options"],
    helmValues: (helmValues ?? {}) as DatapathChoice["helmValues"],
  };
}

/** What is known of the cluster while the program runs. */
function factsNow(cluster: KubernetesCluster): DatapathFacts {
  return {
    name: cluster.name,
    platform: cluster.platform,
    capabilities: cluster.capabilities,
    podCidrs: knownNow(cluster.podCidrs),
    serviceCidrs: knownNow(cluster.serviceCidrs),
    apiServerHost: knownNow(cluster.apiServerHost),
    apiServerPort: knownNow(cluster.apiServerPort),
  };
}

/** What the values are made of; no host where they only refer to it. */
function knownFacts(cluster: KubernetesCluster, byReference: boolean): pulumi.Output<KnownFacts> {
  const { name, platform, capabilities } = cluster;
  const late = byReference ? [undefined, undefined] : [cluster.apiServerHost, cluster.serviceCidrs];
  return pulumi
    .all([cluster.podCidrs, cluster.apiServerPort, late[0] as pulumi.Input<string>, late[1] as pulumi.Input<string[]>])
    .apply(([podCidrs, apiServerPort, apiServerHost, serviceCidrs]) => ({
      name,
      platform,
      capabilities,
      podCidrs,
      apiServerPort,
      apiServerHost,
      serviceCidrs,
    }));
}

/** The ConfigMap that tells the agents the API server's host, when that is known and right. */
function apiServerHost(
  name: string,
  what: string,
  cluster: KubernetesCluster,
  engine: DatapathEngine,
  choice: pulumi.Output<DatapathChoice>,
  opts: pulumi.CustomResourceOptions,
): kubernetes.core.v1.ConfigMap {
  const host = pulumi.all([choice, knownFacts(cluster, false)]).apply(([known, facts]) => {
    refuseProblems(what, engine.problems(known, facts));
    return facts.apiServerHost ?? "";
  });
  const place = apiServerReference(engine.releaseName);
  return new kubernetes.core.v1.ConfigMap(
    `${name}-api-server`,
    {
      metadata: { name: place.name, namespace: "kube-system", annotations: clusterAnnotation(cluster) },
      data: { [place.key]: host },
    },
    { ...opts, ...anewWithCluster("metadata") },
  );
}
