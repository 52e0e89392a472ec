// SPDX-License-Identifier: Apache-2.0
// How many replicas of Cilium's operator a stack asks for: no more than there are nodes for them.
import { describe, expect, it } from "vitest";
import { bareMetalStack } from "../../../stacks/bare-metal/program.ts";
import type { DatapathSettings } from "../../../stacks/settings.ts";
import { args as metalArgs } from "../bare-metal-args.ts";
import { recordProgram } from "../recorded-program.ts";
import { buildEks, buildGke, selfManaged } from "./small-stacks.ts";

describe("Cilium's operator", () => {
  const one = [{ name: "default", desiredSize: 1 }];
  const batch = { name: "batch", desiredSize: 3, taints: [{ key: "batch", effect: "NoSchedule" }] };
  const zonal = { ...selfManaged, location: "europe-west3-a" };
  const metal = (hosts: number, datapath: DatapathSettings = { engine: "cilium" }) =>
    recordProgram(() => {
      const cluster = metalArgs();
      return bareMetalStack("metal", { cluster: { ...cluster, hosts: cluster.hosts.slice(0, hosts) }, datapath });
    });

  it.each([
    ["a group of one node", 1, () => buildEks({ groups: one })],
    ["one node beside nodes that it does not tolerate", 1, () => buildEks({ groups: [...one, batch] })],
    ["two groups of one node", 2, () => buildEks({ groups: [...one, { name: "more", desiredSize: 1 }] })],
    ["groups of the default size", 2, () => buildEks()],
    ["a pool of one node in one zone", 1, () => buildGke({ cluster: zonal, pools: one })],
    ["a pool of one node in each zone", 2, () => buildGke({ cluster: selfManaged, pools: one })],
    ["one server", 1, () => metal(1)],
    ["two servers", 2, () => metal(2)],
    ["one server, and a number of the user's", 3, () => metal(1, { engine: "cilium", operator: { replicas: 3 } })],
  ])("has with %s %i replicas", async (_, replicas, build) => {
    const { resources } = await build();
    const release = [...resources.values()].find(({ type }) => type === "kubernetes:helm.sh/v3:Release");
    expect(release?.inputs).toHaveProperty("values.operator.replicas", replicas);
  });

  it("is no matter of the agent's", async () => {
    const { resources } = await metal(1, { engine: "agent" });
    expect(resources.get("metal-datapath-release")?.inputs["values"]).not.toHaveProperty("operator");
  });
});
