// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { EksCluster } from "../../components/eks.ts";
import { GkeCluster } from "../../components/gke.ts";
import { BareMetalCluster, Datapath, type KubernetesCluster } from "../../components/index.ts";
import { packageVersion } from "../../components/internal/package-root.ts";
import { args, host } from "./bare-metal-args.ts";
import { recordProgram, settled } from "./recorded-program.ts";

/** A cluster on each platform, as its component makes it for the agent. */
const clusters: readonly (readonly [string, () => KubernetesCluster])[] = [
  ["bare-metal", () => new BareMetalCluster("metal", args()).cluster],
  [
    "bare-metal-dual-stack",
    () => {
      const hosts = [host("cp-1", 11), host("worker-1", 21)].map((one, index) => ({
        ...one,
        ipv6Address: `fd00:89::${index + 1}`,
      }));
      const podCidrs = ["10.244.0.0/16", "fd00:244::/56"];
      return new BareMetalCluster("metal", args({ hosts, podCidrs, serviceCidrs: ["10.96.0.0/12", "fd00:96::/112"] }))
        .cluster;
    },
  ],
  ["eks", () => new EksCluster("eks", { mode: "agent" }).cluster],
  ["gke", () => new GkeCluster("gke", { location: "europe-west3", mode: "self-managed" }).cluster],
];

describe("the agent's values", () => {
  it.each(clusters)("on %s are those of the golden file", async (platform, cluster) => {
    const { result } = await recordProgram(() => new Datapath("datapath", { cluster: cluster(), engine: "agent" }));
    const { image, ...values } = await settled(result.effectiveValues);
    expect(image).toEqual({ tag: packageVersion });
    await expect(stringify(values, { sortMapEntries: true })).toMatchFileSnapshot(`./golden/agent-${platform}.yaml`);
  });
});
