// A Kubernetes cluster that never runs kube-proxy, its datapath, and the proof that Services answer on every node.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import { BareMetalCluster, Datapath, Verification } from "sansproxy";
import { hosts } from "./hosts.ts";

const config = new pulumi.Config();
const engine = config.get("engine") ?? "agent";
// Built and pushed by you: the datapath with the engine agent, and the verification's probes with Cilium.
const image = { repository: config.require("agentRepository"), tag: config.get("agentTag") ?? "0.1.0" };
const keyFile = (config.get("sshPrivateKeyFile") ?? "~/.ssh/id_ed25519").replace(/^~(?=\/)/, homedir());

const cluster = new BareMetalCluster("metal", {
  hosts: hosts.map((host) => ({ user: config.get("sshUser") ?? "root", ...host })),
  privateKey: pulumi.secret(readFileSync(keyFile, "utf8")),
  kubernetesVersion: config.get("kubernetesVersion") ?? "v1.36.3",
  podCidrs: [config.get("podCidr") ?? "10.244.0.0/16"],
  serviceCidrs: [config.get("serviceCidr") ?? "10.96.0.0/12"],
});
// What lives inside the cluster goes with it.
const datapath = new Datapath(
  "datapath",
  { cluster: cluster.cluster, engine, ...(engine === "agent" && { image }) },
  { deletedWith: cluster },
);
const verification = new Verification(
  "verification",
  {
    cluster: cluster.cluster,
    effectiveValues: datapath.effectiveValues,
    datapath: engine,
    image: `${image.repository}:${image.tag}`,
  },
  { dependsOn: [datapath] },
);

export const kubeconfig = pulumi.secret(cluster.kubeconfig);
export const nodes = cluster.nodes;
export const effectiveValues = datapath.effectiveValues;
export const verified = verification.table;
