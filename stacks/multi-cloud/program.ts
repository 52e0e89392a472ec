// SPDX-License-Identifier: Apache-2.0
// The multi-cloud stack: EKS, GKE and bare metal with one datapath, in one update, and one report of all three.

import * as pulumi from "@pulumi/pulumi";
import { mergeValues } from "../../components/internal/agent-values.ts";
import { type BareMetalSettings, bareMetalStack, readBareMetalSettings } from "../bare-metal/program.ts";
import { type EksSettings, eksStack, readEksSettings } from "../eks/program.ts";
import { type GkeSettings, gkeStack, readGkeSettings } from "../gke/program.ts";
import { type DatapathSettings, readDatapath } from "../settings.ts";

/** The configurations of the three. */
export interface MultiCloudSettings {
  readonly eks: EksSettings;
  readonly gke: GkeSettings;
  readonly bareMetal: BareMetalSettings;
}

/** One engine, version and set of values for all that have a datapath of ours; what one has of its own lies over them. */
export function readMultiCloudSettings(config: Parameters<typeof readBareMetalSettings>[0]): MultiCloudSettings {
  const [eks, gke, bareMetal] = [readEksSettings(config), readGkeSettings(config), readBareMetalSettings(config)];
  if (gke.cluster.mode !== "self-managed" && config.get("gkeDatapath") !== undefined) {
    throw new pulumi.RunError(
      "The configuration sansproxy:gkeDatapath is given, but GKE keeps Google's own datapath in mode dataplane-v2; leave it out (pulumi config rm sansproxy:gkeDatapath), or set sansproxy:gke.mode to self-managed.",
    );
  }
  const engine = eks.cluster.mode === "agent" ? "agent" : "cilium";
  const datapathOf = (key: string): DatapathSettings =>
    mergeValues({ engine, ...readDatapath(config) }, readDatapath(config, key));
  return {
    eks: { ...eks, datapath: datapathOf("eksDatapath") },
    gke: { ...gke, datapath: datapathOf("gkeDatapath") },
    bareMetal: { ...bareMetal, datapath: datapathOf("bareMetalDatapath") },
  };
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
