// SPDX-License-Identifier: Apache-2.0
// The multi-cloud stack: EKS, GKE and bare metal with one datapath, in one update, and one report of all three.

import * as pulumi from "@pulumi/pulumi";
import { type BareMetalSettings, bareMetalStack, readBareMetalSettings } from "../bare-metal/program.ts";
import { type EksSettings, eksStack, readEksSettings } from "../eks/program.ts";
import { type GkeSettings, gkeStack, readGkeSettings } from "../gke/program.ts";

/** The configurations of the three. */
export interface MultiCloudSettings {
  readonly eks: EksSettings;
  readonly gke: GkeSettings;
  readonly bareMetal: BareMetalSettings;
}

/** One version and one engine for all that have a datapath of ours: `sansproxy:datapath` is read for each of them. */
function readMultiCloudSettings(config: Parameters<typeof readBareMetalSettings>[0]): MultiCloudSettings {
  const [eks, gke, bareMetal] = [readEksSettings(config), readGkeSettings(config), readBareMetalSettings(config)];
  const engine = eks.datapath.engine ?? (eks.cluster.mode === "agent" ? "agent" : "cilium");
  const datapath = { ...eks.datapath, engine };
  return { eks: { ...eks, datapath }, gke: { ...gke, datapath }, bareMetal: { ...bareMetal, datapath } };
}

/** Declares the resources of all three; none waits for another. */
export function multiCloudStack({ eks, gke, bareMetal }: MultiCloudSettings) {
  const clusters = {
    eks: eksStack("eks", eks),
    gke: gkeStack("gke", gke),
    metal: bareMetalStack("metal", bareMetal),
  };
  const all = Object.entries(clusters);
  const report = pulumi.all(all.map(([, { verification }]) => verification)).apply((results) => ({
    passed: results.every(({ passed }) => passed),
    clusters: Object.fromEntries(
      results.map((result, index) => [
        all[index]?.[0] ?? "",
        { passed: result.passed, checks: result.checks.length, durationMs: result.durationMs },
      ]),
    ),
  }));
  const table = pulumi
    .all(all.map(([, { verificationTable }]) => verificationTable))
    .apply((tables) => tables.map((text, index) => `== ${all[index]?.[0]}\n${text}`).join("\n\n"));
  return { ...clusters, report, verificationTable: table };
}

/** The stack as its configuration says. */
export async function program(): Promise<Record<string, unknown>> {
  return multiCloudStack(readMultiCloudSettings(new pulumi.Config("sansproxy")));
}
