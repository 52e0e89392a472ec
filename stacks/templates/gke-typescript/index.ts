// A GKE cluster whose nodes serve Services without kube-proxy: control plane, datapath, nodes, and the proof.

import * as pulumi from "@pulumi/pulumi";
import { Datapath, LoadBalancerRelease, Verification } from "sansproxy";
import { GkeCluster, GkeNodePools } from "sansproxy/gke";

const config = new pulumi.Config();
const mode = config.get("mode") ?? "dataplane-v2";
const selfManaged = mode === "self-managed";
const engine = selfManaged ? (config.get("engine") ?? "cilium") : "dataplane-v2";
// Built and pushed by you: the datapath with the engine agent, and the verification's probes with every other.
const image = { repository: config.require("agentRepository"), tag: config.get("agentTag") ?? "0.1.0" };

const control = new GkeCluster("gke", {
  location: config.get("location") ?? "europe-west3",
  mode,
  kubernetesVersion: config.get("kubernetesVersion") ?? "1.35",
});
// Dataplane V2 is Google's own. What lives inside the cluster goes with it.
const datapath = selfManaged
  ? new Datapath(
      "datapath",
      { cluster: control.cluster, engine, ...(engine === "agent" && { image }) },
      { deletedWith: control },
    )
  : undefined;
const workers = new GkeNodePools(
  "nodes",
  {
    cluster: control.cluster,
    clusterName: control.clusterName,
    location: control.location,
    // Known when the datapath is installed, so that nodes come after it; only Cilium takes the taint away again.
    ...(datapath && { datapath: datapath.releaseName, notReadyTaint: engine === "cilium" }),
    pools: [
      {
        name: "default",
        machineType: config.get("machineType") ?? "e2-standard-4",
        desiredSize: config.getNumber("nodes") ?? 1,
      },
    ],
  },
  { dependsOn: datapath ? [datapath] : [] },
);
// At the end, no load balancer outlives the cluster.
const release = new LoadBalancerRelease("load-balancers", { cluster: workers.cluster }, { dependsOn: [workers] });
const verification = new Verification(
  "verification",
  {
    cluster: workers.cluster,
    effectiveValues: datapath?.effectiveValues ?? {},
    datapath: engine,
    image: `${image.repository}:${image.tag}`,
  },
  { dependsOn: [workers, release] },
);

export const kubeconfig = pulumi.secret(control.kubeconfig);
export const nodePools = workers.nodeGroups;
export const effectiveValues = datapath?.effectiveValues ?? {};
export const verified = verification.table;
