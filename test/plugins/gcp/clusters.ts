// SPDX-License-Identifier: Apache-2.0
// Simulates GKE's control planes: they really answer, and their nodes have the platform's pod network from the start.

import { folderOf } from "../clouds/clusters/cluster.ts";
import { clustersOf, createCluster, deleteCluster } from "../clouds/clusters/lifecycle.ts";
import { type Kind, record, text } from "../clouds/kind.ts";
import type { CheckFailure } from "../provider.ts";
import { type Dict, isDict, Unknown, type Value } from "../values.ts";
import { nameRule, tokens as network, projectOf, rangesOf, refer } from "./network.ts";

export const clusterToken = "gcp:container/cluster:Cluster";

/** The id under which a cluster's control plane is kept. */
export const clusterId = (name: string): string => `gke-${name}`;

const clusterMinutes = 8;
const defaultVersion = "1.35.3-gke.1000000";

/** GKE's own spelling, and what Kubernetes makes of it. */
export const effects: Readonly<Record<string, string>> = {
  NO_SCHEDULE: "NoSchedule",
  NO_EXECUTE: "NoExecute",
  PREFER_NO_SCHEDULE: "PreferNoSchedule",
};

/** Taints in the nodes' configuration whose effect this API does not know. */
export const taintFailures = (nodeConfig: Value | undefined): CheckFailure[] => {
  const taints = record(nodeConfig)["taints"];
  return (Array.isArray(taints) ? taints : []).flatMap((taint, index) => {
    const effect = isDict(taint) ? taint["effect"] : undefined;
    if (effect === undefined || effect instanceof Unknown || text(effect) in effects) return [];
    const right = Object.entries(effects).find(([, kubernetes]) => kubernetes === effect)?.[0];
    const hint = right === undefined ? "" : `; Kubernetes' ${text(effect)} is ${right} in this API`;
    return [
      {
        property: `nodeConfig.taints[${index}].effect`,
        reason: `"${text(effect)}" is not one of ${Object.keys(effects).join(", ")}${hint}`,
      },
    ];
  });
};

const oneOf = (inputs: Dict, property: string, values: readonly string[]): CheckFailure[] => {
  const value = inputs[property];
  if (value === undefined || value instanceof Unknown || values.includes(text(value))) return [];
  return [{ property, reason: `"${text(value)}" is not one of ${values.join(", ")}` }];
};

const conflicts = (inputs: Dict): CheckFailure[] => {
  const both = (one: string, other: string): boolean => inputs[one] !== undefined && inputs[other] !== undefined;
  const failures: CheckFailure[] = [];
  const refuse = (property: string, reason: string): void => void failures.push({ property, reason });
  const policy = record(inputs["ipAllocationPolicy"]);
  for (const [name, block] of [
    ["clusterSecondaryRangeName", "clusterIpv4CidrBlock"],
    ["servicesSecondaryRangeName", "servicesIpv4CidrBlock"],
  ]) {
    if (name !== undefined && block !== undefined && policy[name] !== undefined && policy[block] !== undefined) {
      refuse(`ipAllocationPolicy.${name}`, `conflicts with ipAllocationPolicy.${block}`);
    }
  }
  if (inputs["enableAutopilot"] === true) {
    for (const property of ["removeDefaultNodePool", "nodeConfig", "initialNodeCount", "datapathProvider"]) {
      if (inputs[property] !== undefined) refuse(property, "conflicts with enableAutopilot");
    }
  }
  if (inputs["datapathProvider"] === "ADVANCED_DATAPATH" && record(inputs["networkPolicy"])["enabled"] === true) {
    refuse("networkPolicy.enabled", "Network policy cannot be enabled with Dataplane V2, which enforces it by itself");
  }
  if (inputs["datapathProvider"] !== "ADVANCED_DATAPATH" && inputs["enableCiliumClusterwideNetworkPolicy"] === true) {
    refuse("enableCiliumClusterwideNetworkPolicy", "needs Dataplane V2 (datapathProvider: ADVANCED_DATAPATH)");
  }
  if (inputs["networkingMode"] === "ROUTES" && inputs["ipAllocationPolicy"] !== undefined) {
    refuse("ipAllocationPolicy", "needs networkingMode VPC_NATIVE");
  }
  if (both("nodePools", "removeDefaultNodePool") && inputs["removeDefaultNodePool"] === true) {
    refuse("nodePools", "conflicts with removeDefaultNodePool");
  }
  if (
    inputs["enableAutopilot"] !== true &&
    inputs["nodePools"] === undefined &&
    !(Number(inputs["initialNodeCount"] ?? 0) > 0)
  ) {
    if (!(inputs["initialNodeCount"] instanceof Unknown))
      refuse("initialNodeCount", "has to be 1 or more: a cluster is made with a default pool");
  }
  const access = record(inputs["privateClusterConfig"]);
  if (access["enablePrivateEndpoint"] === true && access["enablePrivateNodes"] === false) {
    refuse("privateClusterConfig.enablePrivateEndpoint", "needs enablePrivateNodes");
  }
  return failures;
};

/** The ranges of Pods and Services: named ones of the subnetwork, given ones, or the platform's own. */
const rangesFor = (inputs: Dict, subnetwork: Dict): { pods: string; services: string } => {
  const policy = record(inputs["ipAllocationPolicy"]);
  const find = (name: Value | undefined, block: Value | undefined, otherwise: string): string => {
    if (name === undefined) return text(block) || otherwise;
    const range = rangesOf(subnetwork).get(text(name));
    if (range !== undefined) return range;
    throw new Error(
      `googleapi: Error 400: Pod secondary range "${text(name)}" does not exist in subnetwork "${text(subnetwork["name"])}", badRequest`,
    );
  };
  return {
    pods: find(policy["clusterSecondaryRangeName"], policy["clusterIpv4CidrBlock"], "10.244.0.0/16"),
    services: find(policy["servicesSecondaryRangeName"], policy["servicesIpv4CidrBlock"], "10.96.0.0/16"),
  };
};

export const cluster: Kind = {
  token: clusterToken,
  autoName: "name",
  immutable: [
    ...["name", "location", "project", "network", "subnetwork", "datapathProvider", "networkingMode"],
    ...[
      "ipAllocationPolicy",
      "initialNodeCount",
      "enableAutopilot",
      "nodeConfig",
      "privateClusterConfig.masterIpv4CidrBlock",
    ],
  ],
  computed: [
    ...[
      "clusterIpv4Cidr",
      "endpoint",
      "masterAuth",
      "masterVersion",
      "operation",
      "project",
      "selfLink",
      "servicesIpv4Cidr",
    ],
  ],
  merged: { privateClusterConfig: ["privateEndpoint", "publicEndpoint"] },
  references: { network: refer(network.network), subnetwork: refer(network.subnetwork) },
  held: "googleapi: Error 400: Cluster has node pools, failedPrecondition",
  defaults: { deletionProtection: true },
  check: (inputs) => [
    ...nameRule(inputs),
    ...oneOf(inputs, "datapathProvider", ["DATAPATH_PROVIDER_UNSPECIFIED", "LEGACY_DATAPATH", "ADVANCED_DATAPATH"]),
    ...oneOf(inputs, "networkingMode", ["VPC_NATIVE", "ROUTES"]),
    ...taintFailures(inputs["nodeConfig"]),
    ...conflicts(inputs),
  ],
  async create(inputs, around) {
    const { account, clock, settings, subject } = around;
    const project = projectOf(inputs, settings);
    const [name, location] = [text(inputs["name"]), text(inputs["location"]) || (settings["region"] ?? "")];
    if (location === "") throw new Error("location: required field is not set");
    const id = `projects/${project}/locations/${location}/clusters/${name}`;
    if (account.get(clusterToken, id) !== undefined)
      throw new Error(`googleapi: Error 409: Already exists: ${id}, alreadyExists`);
    const found = account
      .list(network.subnetwork)
      .find((one) => [one.id, one.outputs["name"], one.outputs["selfLink"]].includes(text(inputs["subnetwork"])));
    const { pods, services } = rangesFor(inputs, found?.inputs ?? {});
    const networkId = text(found?.inputs["network"]) || text(inputs["network"]);
    const surroundings = {
      cloud: "gcp" as const,
      cluster: name,
      region: location,
      networkId,
      subnetIds: [found?.id ?? ""],
    };
    const say = (line: string): void => subject.log("info", `simulated gke: ${line}`, { ephemeral: true });
    const kubeProxyOnNodes = inputs["datapathProvider"] !== "ADVANCED_DATAPATH";
    const plan = { id: clusterId(name), serviceCidr: services, podCidr: pods, kubeProxyOnNodes, surroundings };
    const [endpoint] = await Promise.all([
      createCluster(account, plan, say, subject.signal),
      clock.pass(clusterMinutes, subject.signal),
    ]);
    const directory = folderOf(account, clusterId(name));
    await clustersOf(account).installPodNetwork(directory);
    await clustersOf(account).installDns(directory);
    return {
      id,
      outputs: {
        clusterIpv4Cidr: pods,
        servicesIpv4Cidr: services,
        endpoint: endpoint.host,
        masterAuth: {
          clientCertificate: "",
          clientCertificateConfig: { issueClientCertificate: false },
          clientKey: "",
          clusterCaCertificate: Buffer.from(endpoint.certificateAuthority).toString("base64"),
        },
        masterVersion: text(inputs["minMasterVersion"]) || defaultVersion,
        operation: "",
        project,
        selfLink: `https://container.googleapis.com/v1/${id}`,
        privateClusterConfig: {
          ...record(inputs["privateClusterConfig"]),
          privateEndpoint: endpoint.host,
          publicEndpoint: endpoint.host,
        },
      },
    };
  },
  async update(stored, inputs, { clock, subject }) {
    const wanted = text(inputs["minMasterVersion"]);
    if (wanted === "" || wanted === stored.outputs["masterVersion"]) return {};
    if (wanted.localeCompare(text(stored.outputs["masterVersion"]), "en", { numeric: true }) < 0) {
      // minMasterVersion is a lower bound: an older one changes nothing.
      return {};
    }
    await clock.pass(clusterMinutes, subject.signal);
    return { masterVersion: wanted };
  },
  async remove(stored, { account, clock, subject }) {
    if (stored.outputs["deletionProtection"] === true) {
      throw new Error(
        "Cannot destroy cluster because deletion_protection is set to true. Set it to false to proceed with cluster deletion.",
      );
    }
    await clock.pass(4, subject.signal);
    await deleteCluster(account, clusterId(text(stored.outputs["name"])));
  },
};
