// SPDX-License-Identifier: Apache-2.0
// What Prometheus is told: names, help and units by its own rules, a first event that a rate shows, and how full the maps are.

import { expect, test } from "vitest";
import { KernelMirror } from "../../../agent/core/kernel-mirror.ts";
import { counterNames } from "../../../agent/maps/counters.ts";
import { countHealthAnswers, KubeProxyMetrics } from "../../../agent/shell/kube-proxy-metrics.ts";
import { Metrics } from "../../../agent/shell/metrics.ts";
import { usageOfMaps } from "../../../agent/shell/sync-status.ts";
import { chartQueries, metricNames, sampleNames } from "../../support/chart-queries.ts";
import { promtool } from "../../support/promtool.ts";

const counters = () => Object.fromEntries(counterNames.map((name, index) => [name, BigInt(index)]));
const mapUsage = () =>
  new Map([
    ["flows", { entries: 5, capacity: 10, bytes: 640 }],
    ["arena", { entries: undefined, capacity: 64, bytes: 512 }],
  ]);

/** Every metric of the agent, as one scrape. */
function everything(): Promise<string> {
  const metrics = new Metrics({ counters, mapUsage });
  new KubeProxyMetrics(metrics.registry, () => ({ services: 1, slices: 2 }));
  countHealthAnswers(metrics.registry)("livez", 200);
  metrics.registerSyncLag(() => 1.5);
  metrics.phases()("plan");
  return metrics.registry.metrics();
}

test("Prometheus' own rules for names, help and units find nothing to say", async () => {
  expect(promtool(["check", "metrics"], await everything())).toEqual({ status: 0, said: "" });
});

test("those rules would find a name without its unit", () => {
  const bad =
    "# HELP sansproxy_lag_milliseconds Lag.\n# TYPE sansproxy_lag_milliseconds gauge\nsansproxy_lag_milliseconds 1\n";
  expect(promtool(["check", "metrics"], bad)).toMatchObject({ status: 3, said: expect.stringContaining("base unit") });
});

test("drops are told by reason and everything else by path, each counter of the programs once", async () => {
  const text = await everything();
  const told = [...text.matchAll(/^sansproxy_datapath_(?:events|dropped_packets)_total\{.*\} (\d+)$/gm)];
  expect(told.map(([, count]) => Number(count)).sort((a, b) => a - b)).toEqual(counterNames.map((_, index) => index));
  expect(text).toContain('sansproxy_datapath_events_total{path="socket",event="translated"} 0');
  expect(text).toMatch(/^sansproxy_datapath_events_total\{path="packet",event="refused"\} \d/m);
  expect(text).toMatch(/^sansproxy_datapath_dropped_packets_total\{reason="no_free_port"\} \d/m);
});

test("what can happen and has not is 0, so that the first time is seen as an increase", async () => {
  const text = await everything();
  for (const series of [
    'drift_repaired_total{map="links"}',
    'service_problems{reason="ArenaFull"}',
    "failed_map_growths_total",
  ])
    expect(text).toContain(`\nsansproxy_${series} 0\n`);
});

test("a map's fill comes from the kernel where it counts, and from the agent's account where it does not", () => {
  const mirror = new KernelMirror(
    {
      frontends: new Map(),
      selections: new Map(),
      extents: new Map([[0, [1, 2, 3]]]),
      backends: new Map(),
      sourceRanges: new Map(),
    },
    0,
  );
  const network = {
    ...{ nodeAddresses: [], clusterNodeAddresses: [], masqueradeAddresses: [], masquerade: [], socketLb: true },
    ...{
      podCidrs: ["10.244.1.0/24"],
      clusterPodCidrs: ["10.244.0.0/16"],
      nonMasqueradeCidrs: ["10.244.0.0/16", "10.0.0.1"],
    },
    nodePortRange: { first: 30_000, last: 32_767 },
  };
  const unknown = { entries: undefined, capacity: 8, bytes: 64 };
  const usage = usageOfMaps(new Map([...mapUsage(), ["networks", unknown]]), { mirror, network });
  expect(usage.get("flows")).toEqual({ entries: 5, capacity: 10, bytes: 640 });
  expect(usage.get("arena")).toEqual({ entries: 3, capacity: 64, bytes: 512 });
  expect(usage.get("networks")).toEqual({ ...unknown, entries: 3 });
  expect([...usage.keys()]).toEqual(["flows", "arena", "networks"]);
});

test("the dashboard and the alerts name only metrics that there are", async () => {
  const metrics = new Metrics({ counters, mapUsage });
  metrics.failedWrites.inc({ reason: "E2BIG" });
  metrics.writes.inc({ operation: "write-extent" });
  const known = sampleNames((await everything()) + (await metrics.registry.metrics()));
  const named = chartQueries().flatMap(({ name, expr }) => metricNames(expr).map((metric) => `${name}: ${metric}`));
  expect(named.length).toBeGreaterThan(40);
  expect(named.filter((one) => !known.has(one.split(": ")[1] ?? ""))).toEqual([]);
});
