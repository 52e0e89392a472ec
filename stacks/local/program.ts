// SPDX-License-Identifier: Apache-2.0
// The local stack: machines on this box, Kubernetes without kube-proxy on them, the agent, and the proof that it works.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { BareMetalCluster, Datapath, Verification } from "../../components/index.ts";
import { keepKubeconfig } from "./kubeconfig-file.ts";
import { machineResources } from "./machine-resources.ts";
import { planMachines, podCidr6, readSettings, type Settings, serviceCidr6 } from "./settings.ts";

/** What `npm run up` prepares before the update: the stack's SSH key pair and the air-gapped bundle. */
export interface Preparations {
  readonly privateKey: string;
  readonly authorizedKey: string;
  readonly bundlePath: string;
  /** Tag of the agent's image in the bundle. */
  readonly agentTag: string;
}

const agentImage = "ghcr.io/sansproxy/agent:";

/** Kubernetes' own checks that a machine inside a container cannot pass, and that say nothing about it. */
const ignorePreflightErrors = ["SystemVerification"];

/** Reads the preparations from the clone's own folder; what is missing is named with its remedy. */
export function readPreparations(stateFolder: string): Preparations {
  const present = (path: string, what: string): string => {
    if (existsSync(path)) return path;
    throw new pulumi.RunError(
      `${what} is missing (${path}): run "npm run up" once, which makes it, and then pulumi by hand as often as you like.`,
    );
  };
  const privateKeyFile = present(join(stateFolder, "ssh", "id_ed25519"), "The stack's SSH key");
  const bundlePath = present(join(stateFolder, "bundle"), "The bundle of Kubernetes' programs and images");
  return {
    privateKey: readFileSync(privateKeyFile, "utf8"),
    authorizedKey: readFileSync(present(`${privateKeyFile}.pub`, "The stack's public SSH key"), "utf8").trim(),
    bundlePath,
    agentTag: agentTagOf(bundlePath),
  };
}

/** The tag names the image's content: a changed agent is a changed value, which the update rolls out and verifies. */
function agentTagOf(bundlePath: string): string {
  const manifest = JSON.parse(readFileSync(join(bundlePath, "manifest.json"), "utf8")) as {
    files: { images?: string[] }[];
  };
  const image = manifest.files.flatMap(({ images }) => images ?? []).find((name) => name.startsWith(agentImage));
  if (image !== undefined) return image.slice(agentImage.length);
  throw new pulumi.RunError(`The bundle ${bundlePath} holds no ${agentImage} image: run "npm run up", which makes it.`);
}

/** Declares the stack's resources; gives its outputs. The cluster's kubeconfig is kept in the given file. */
export function localStack(
  stack: string,
  settings: Settings,
  preparations: Preparations,
  kubeconfigFile?: string,
): Record<string, unknown> {
  const { privateKey, authorizedKey, bundlePath, agentTag } = preparations;
  const machines = machineResources(stack, settings, planMachines(settings), authorizedKey);
  const cluster = new BareMetalCluster("local", {
    hosts: machines.map(({ plan: { name, role, address, ipv6Address }, hostKey }) => ({
      name,
      role,
      address,
      hostKey,
      ...(ipv6Address === undefined ? {} : { ipv6Address }),
    })),
    privateKey: pulumi.secret(privateKey),
    kubernetesVersion: settings.kubernetesVersion,
    podCidrs: settings.dualStack ? [settings.podCidr, podCidr6] : [settings.podCidr],
    serviceCidrs: settings.dualStack ? [settings.serviceCidr, serviceCidr6] : [settings.serviceCidr],
    bundlePath,
    ignorePreflightErrors,
  });
  if (kubeconfigFile !== undefined) keepKubeconfig(kubeconfigFile, cluster.kubeconfig);
  // What lives inside the cluster goes with it.
  const datapath = new Datapath(
    "datapath",
    { cluster: cluster.cluster, engine: "agent", image: { tag: agentTag }, helmValues: settings.helmValues },
    { deletedWith: cluster },
  );
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

/** The stack as its configuration says. */
export async function program(): Promise<Record<string, unknown>> {
  const settings = readSettings(new pulumi.Config("sansproxy"));
  const stateFolder = process.env.SANSPROXY_HOME || join(import.meta.dirname, "..", "..", ".sansproxy");
  return localStack(pulumi.getStack(), settings, readPreparations(stateFolder), join(stateFolder, "kubeconfig"));
}
