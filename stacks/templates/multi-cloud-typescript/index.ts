// Three clusters that never run kube-proxy, on AWS, at Google and on your own servers, in one update: none waits for another.

import * as pulumi from "@pulumi/pulumi";
import { eks } from "./eks.ts";
import { gke } from "./gke.ts";
import { metal } from "./metal.ts";

const config = new pulumi.Config();
const engine = config.get("engine") ?? "cilium";
// Built and pushed by you: the datapath with the engine agent, and the verification's probes with every other.
const image = { repository: config.require("agentRepository"), tag: config.get("agentTag") ?? "0.1.0" };

const clusters = {
  eks: eks(engine, image),
  gke: gke(engine, image, config),
  metal: metal(engine, image, config),
};
const all = Object.entries(clusters);

export const kubeconfigs = pulumi.secret(
  Object.fromEntries(all.map(([name, { kubeconfig }]) => [name, kubeconfig] as const)),
);
export const effectiveValues = Object.fromEntries(all.map(([name, of]) => [name, of.effectiveValues] as const));
export const verified = pulumi
  .all(all.map(([, { verified }]) => verified))
  .apply((tables) => tables.map((table, index) => `== ${all[index]?.[0]}\n${table}`).join("\n\n"));
