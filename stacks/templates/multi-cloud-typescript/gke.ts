// The cluster at Google: control plane, datapath where it is not Google's own, nodes, and the proof, in this order.

import * as pulumi from "@pulumi/pulumi";
import { Datapath, LoadBalancerRelease, Verification } from "sansproxy";
import { GkeCluster, GkeNodePools } from "sansproxy/gke";
import type { Image } from "./image.ts";

export function gke(chosen: string, image: Image, config: pulumi.Config) {
  const mode = config.get("gkeMode") ?? "dataplane-v2";
  const engine = mode === "self-managed" ? chosen : "dataplane-v2";
  const control = new GkeCluster("gke", { location: config.get("gkeLocation") ?? "europe-west3", mode });
  // What lives inside the cluster goes with it.
  const datapath =
    mode === "self-managed"
      ? new Datapath(
          "gke-datapath",
          { cluster: control.cluster, engine, ...(engine === "agent" && { image }) },
          { deletedWith: control },
        )
      : undefined;
  const nodes = new GkeNodePools(
    "gke-nodes",
    {
      cluster: control.cluster,
      clusterName: control.clusterName,
      location: control.location,
      // Known when the datapath is installed, so that nodes come after it; only Cilium takes the taint away again.
      ...(datapath && { datapath: datapath.releaseName, notReadyTaint: engine === "cilium" }),
      pools: [{ name: "default" }],
    },
    { dependsOn: datapath ? [datapath] : [] },
  );
  const { cluster } = nodes;
  // At the end, no load balancer outlives the cluster.
  const release = new LoadBalancerRelease("gke-load-balancers", { cluster }, { dependsOn: [nodes] });
  const effectiveValues = datapath?.effectiveValues ?? pulumi.output({});
  const verification = new Verification(
    "gke-verification",
    { cluster, effectiveValues, datapath: engine, image: `${image.repository}:${image.tag}` },
    { dependsOn: [nodes, release] },
  );
  return { kubeconfig: control.kubeconfig, effectiveValues, verified: verification.table };
}
