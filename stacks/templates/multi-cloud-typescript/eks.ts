// The cluster on AWS: control plane, datapath, nodes, and the proof, in this order.

import { Datapath, LoadBalancerRelease, Verification } from "sansproxy";
import { EksCluster, EksNodeGroups } from "sansproxy/eks";
import type { Image } from "./image.ts";

export function eks(engine: string, image: Image) {
  const control = new EksCluster("eks", { mode: engine === "agent" ? "agent" : "eni" });
  // What lives inside the cluster goes with it.
  const datapath = new Datapath(
    "eks-datapath",
    { cluster: control.cluster, engine, ...(engine === "agent" && { image }) },
    { deletedWith: control },
  );
  // `datapath` is known when it is installed, so that nodes come after it.
  const nodes = new EksNodeGroups(
    "eks-nodes",
    {
      cluster: control.cluster,
      clusterName: control.clusterName,
      nodeRoleArn: control.nodeRoleArn,
      subnetIds: control.nodeSubnetIds,
      datapath: datapath.releaseName,
      groups: [{ name: "default" }],
    },
    { dependsOn: [datapath] },
  );
  const { cluster } = nodes;
  // At the end, no load balancer outlives the cluster.
  const release = new LoadBalancerRelease("eks-load-balancers", { cluster }, { dependsOn: [nodes] });
  const { effectiveValues } = datapath;
  const verification = new Verification(
    "eks-verification",
    { cluster, effectiveValues, datapath: engine, image: `${image.repository}:${image.tag}` },
    { dependsOn: [nodes, release] },
  );
  return { kubeconfig: control.kubeconfig, effectiveValues, verified: verification.table };
}
