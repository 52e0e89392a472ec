// An EKS cluster that never runs kube-proxy: control plane, datapath, nodes, and the proof that Services answer on every node.

import * as pulumi from "@pulumi/pulumi";
import { Datapath, LoadBalancerRelease, Verification } from "sansproxy";
import { EksCluster, EksNodeGroups } from "sansproxy/eks";

const config = new pulumi.Config();
const mode = config.get("mode") ?? "eni";
const engine = mode === "agent" ? "agent" : "cilium";
// Built and pushed by you: the datapath with the engine agent, and the verification's probes with every other.
const image = { repository: config.require("agentRepository"), tag: config.get("agentTag") ?? "0.1.0" };
const nodeCount = config.getNumber("nodes") ?? 2;

const control = new EksCluster("eks", { mode, kubernetesVersion: config.get("kubernetesVersion") ?? "1.35" });
// What lives inside the cluster goes with it.
const datapath = new Datapath(
  "datapath",
  { cluster: control.cluster, engine, ...(engine === "agent" && { image }) },
  { deletedWith: control },
);
// Nodes are not ready without a datapath: `datapath` is known when it is installed, so that they come after it.
const workers = new EksNodeGroups(
  "nodes",
  {
    cluster: control.cluster,
    clusterName: control.clusterName,
    nodeRoleArn: control.nodeRoleArn,
    subnetIds: control.nodeSubnetIds,
    datapath: datapath.releaseName,
    groups: [
      {
        name: "default",
        instanceTypes: [config.get("instanceType") ?? "m6i.large"],
        minSize: 1,
        desiredSize: nodeCount,
      },
    ],
  },
  { dependsOn: [datapath] },
);
// At the end, no load balancer outlives the cluster.
const release = new LoadBalancerRelease("load-balancers", { cluster: workers.cluster }, { dependsOn: [workers] });
const verification = new Verification(
  "verification",
  {
    cluster: workers.cluster,
    effectiveValues: datapath.effectiveValues,
    datapath: engine,
    image: `${image.repository}:${image.tag}`,
  },
  { dependsOn: [workers, release] },
);

export const kubeconfig = pulumi.secret(control.kubeconfig);
export const nodeGroups = workers.nodeGroups;
export const effectiveValues = datapath.effectiveValues;
export const verified = verification.table;
