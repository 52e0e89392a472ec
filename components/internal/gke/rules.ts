// SPDX-License-Identifier: Apache-2.0
// The rules for the inputs of GkeCluster: each one a function that names the property, the value and the remedy.

import type { InputProblem } from "../input-errors.ts";
import { nearestName } from "../nearest-name.ts";
import { pinnedImageRule } from "../pinned-image.ts";
import type { GkeClusterArgs } from "./args.ts";

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];

/** Inputs that a user of GKE may look for, and why they are not here. */
export const impossibleOnGke: Readonly<Record<string, string>> = {
  enableAutopilot:
    "is not possible: Autopilot's nodes are Google's; mode \"dataplane-v2\" has the same datapath: leave it out.",
  networkPolicy:
    "is not possible: it would bring Calico and kube-proxy; Dataplane V2 and Cilium enforce NetworkPolicy, this package's agent does not: leave it out.",
  datapathProvider: 'follows from mode; leave it out, and set mode to "dataplane-v2" or "self-managed".',
  nodePools: "is not here: nodes join after the datapath is installed; give them to GkeNodePools as pools.",
};

export function gkeModeRule(mode: string): InputProblem[] {
  const modes = ["dataplane-v2", "self-managed"];
  if (modes.includes(mode)) return [];
  if (mode === "autopilot") return problem("mode", `is "autopilot", whose nodes are Google's; use "${modes[0]}".`);
  const near = nearestName(mode, modes);
  return problem(
    "mode",
    `is "${mode}", and a GKE cluster has the modes "dataplane-v2" and "self-managed"; ${near === undefined ? "use one of these." : `did you mean "${near}"?`}`,
  );
}

export function gkeNameRule(name: string): InputProblem[] {
  if (/^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/.test(name)) return [];
  return problem(
    "clusterName",
    `is "${name}", which cannot name a cluster of GKE; use at most 40 lower-case letters, digits and dashes, a letter first.`,
  );
}

export function locationRule(location: unknown): InputProblem[] {
  if (typeof location === "string" && /^[a-z]+-[a-z]+\d+(-[a-z])?$/.test(location)) return [];
  return problem(
    "location",
    `is ${JSON.stringify(location) ?? "missing"}; write a region such as "europe-west3", or a zone such as "europe-west3-a".`,
  );
}

export function projectRule(project: string): InputProblem[] {
  if (/^[a-z][-a-z0-9]{4,28}[a-z0-9]$/.test(project)) return [];
  return problem(
    "project",
    `is "${project}", which is not the id of a project (its name and number will not do); write its id.`,
  );
}

export function channelRule(channel: string): InputProblem[] {
  const channels = ["RAPID", "REGULAR", "STABLE", "EXTENDED"];
  if (channels.includes(channel)) return [];
  const near = nearestName(channel, channels);
  return problem(
    "releaseChannel",
    `is "${channel}", and the channels are ${channels.join(", ")}; ${near === undefined ? "use one of these." : `did you mean "${near}"?`}`,
  );
}

/** Either everything about an existing network is given, or nothing. */
export function existingNetworkRule(args: GkeClusterArgs): InputProblem[] {
  const parts = ["subnetwork", "podRangeName", "serviceRangeName"] as const;
  if (args.network === undefined) {
    const stray = parts.find((key) => args[key] !== undefined);
    return stray === undefined
      ? []
      : problem(stray, "is given without network, so it is not clear in which one; give network, or leave it out.");
  }
  const missing = parts.find((key) => args[key] === undefined);
  if (missing !== undefined)
    return problem(missing, "is missing beside network; name it as the existing network has it.");
  const cidr = (["podCidr", "serviceCidr"] as const).find((key) => args[key] === undefined);
  if (cidr !== undefined) {
    return problem(cidr, "is missing beside network; write the network of the existing secondary range.");
  }
  if (args.nodeCidr === undefined) return [];
  return problem("nodeCidr", "is for a network of the cluster's own, and network names one that exists; leave it out.");
}

export function privateEndpointRule(args: GkeClusterArgs): InputProblem[] {
  if (args.privateEndpoint !== true) return [];
  if (args.privateNodes === false) {
    return problem(
      "privateEndpoint",
      "is true while privateNodes is false, which Google refuses; set privateNodes to true.",
    );
  }
  if (args.authorizedNetworks !== undefined && args.authorizedNetworks.length > 0) return [];
  return problem(
    "authorizedNetworks",
    'is missing while privateEndpoint is true, so nobody but the nodes could reach the API server; name networks, such as "10.0.0.0/8".',
  );
}

export function nodeInitImageRule(mode: string, image: string): InputProblem[] {
  if (mode !== "self-managed") {
    return problem("nodeInitImage", 'is given in mode "dataplane-v2", whose nodes have no kube-proxy; leave it out.');
  }
  return pinnedImageRule("nodeInitImage", image);
}

export function resourceLabelsRule(labels: Readonly<Record<string, unknown>>): InputProblem[] {
  return Object.keys(labels).flatMap((key) =>
    /^[a-z][a-z0-9_-]{0,62}$/.test(key)
      ? []
      : problem(
          `labels["${key}"]`,
          "is not a label's key at Google; use lower-case letters, digits, dashes and underscores.",
        ),
  );
}
