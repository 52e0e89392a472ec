// SPDX-License-Identifier: Apache-2.0
// The local stack: machines on this box, Kubernetes without kube-proxy on them, the agent, and the proof that it works.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { BareMetalCluster, Datapath, Verification } from "../../components/index.ts";
import { machineResources } from "./machine-resources.ts";
import { planMachines, readSettings } from "./settings.ts";

const stateFolder = join(import.meta.dirname, "..", "..", ".sansproxy");

/** Kubernetes' own checks that a machine inside a container cannot pass, and that say nothing about it. */
const ignorePreflightErrors = ["SystemVerification"];

function prepared(path: string, what: string): string {
  if (existsSync(path)) return path;
  throw new pulumi.RunError(
    `${what} is missing (${path}): run "npm run up" once, which makes it, and then pulumi by hand as often as you like.`,
  );
}

/** Declares the stack; gives its outputs. */
export async function program(): Promise<Record<string, unknown>> {
  const settings = readSettings(new pulumi.Config("sansproxy"));
  const privateKeyFile = prepared(join(stateFolder, "ssh", "id_ed25519"), "The stack's SSH key");
  const authorizedKey = readFileSync(prepared(`${privateKeyFile}.pub`, "The stack's public SSH key"), "utf8").trim();
  const bundlePath = prepared(join(stateFolder, "bundle"), "The bundle of Kubernetes' programs and images");

  const plans = planMachines(settings);
  const machines = machineResources(pulumi.getStack(), settings, plans, authorizedKey);
  const cluster = new BareMetalCluster("local", {
    hosts: machines.map(({ plan, hostKey }) => ({
      name: plan.name,
      role: plan.role,
      address: plan.address,
      hostKey,
    })),
    privateKey: pulumi.secret(readFileSync(privateKeyFile, "utf8")),
    kubernetesVersion: settings.kubernetesVersion,
    podCidrs: [settings.podCidr],
    serviceCidrs: [settings.serviceCidr],
    bundlePath,
    ignorePreflightErrors,
  });
  // What lives inside the cluster goes with it.
  const datapath = new Datapath("datapath", { cluster: cluster.cluster, engine: "agent" }, { deletedWith: cluster });
  const verification = new Verification(
    "verification",
    { cluster: cluster.cluster, effectiveValues: datapath.effectiveValues },
    { dependsOn: [datapath] },
  );
  return {
    nodes: cluster.nodes,
    kubeconfig: pulumi.secret(cluster.kubeconfig),
    effectiveValues: datapath.effectiveValues,
    verification: verification.result,
    verificationTable: verification.table,
  };
}
