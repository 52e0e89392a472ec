// SPDX-License-Identifier: Apache-2.0
// The chart's alerts, in Prometheus' own rule engine: each fires when it should, and is quiet when it should be.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { promtool } from "../support/promtool.ts";

const FILE = join(import.meta.dirname, "../../agent/chart/files/alerts.yaml");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<"summary" | "description" | "runbook", string>>;
}
const { groups } = parse(readFileSync(FILE, "utf8")) as { groups: { name: string; rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

/** One sample a minute, in promtool's notation: `0+5x3` is 0 5 10 15. */
type Series = Readonly<Record<string, string>>;

interface Case {
  readonly alert: string;
  readonly when: string;
  readonly series: Series;
  /** Minutes after the first sample. */
  readonly at: number;
  /** Labels of the alerts that fire, beside name and severity. */
  readonly fires: readonly Readonly<Record<string, string>>[];
}

const node = { node: "n1" };
const up = { job: "sansproxy", ...node };
const series = (name: string, labels: Readonly<Record<string, string>>, values: string): Series => ({
  [`${name}{${Object.entries(labels).map(([label, value]) => `${label}="${value}"`)}}`]: values,
});
/** What an alert is given that fires, and what it is given when it has to be quiet. */
const pair = (
  alert: string,
  at: number,
  fires: readonly Readonly<Record<string, string>>[],
  cases: readonly (readonly [when: string, series: Series, isFiring: boolean])[],
): Case[] => cases.map(([when, given, isFiring]) => ({ alert, when, series: given, at, fires: isFiring ? fires : [] }));

const lastSync = (values: string, ready: string): Series => ({
  ...series("sansproxy_last_sync_timestamp_seconds", node, values),
  ...series("sansproxy_ready", node, ready),
});
const fill = (map: string, entries: number): Series => ({
  ...series("sansproxy_map_entries", { ...node, map }, `${entries}x20`),
  ...series("sansproxy_map_capacity", { ...node, map }, "1000x20"),
});
/** So many changes a minute that took more than 5 s, of 100. */
const programming = (slow: number): Series =>
  Object.fromEntries(
    [
      ["1", 100 - slow],
      ["5", 100 - slow],
      ["10", 100],
      ["+Inf", 100],
    ].flatMap(([le, count]) =>
      Object.entries(
        series("kubeproxy_network_programming_duration_seconds_bucket", { ...node, le: `${le}` }, `0+${count}x40`),
      ),
    ),
  );

const cases: readonly Case[] = [
  ...pair(
    "SansproxyNoAgents",
    11,
    [{ job: "sansproxy" }],
    [
      ["nothing is scraped", series("up", { job: "other" }, "1x20"), true],
      ["an agent is scraped, even when it does not answer", series("up", up, "0x20"), false],
    ],
  ),
  ...pair(
    "SansproxyAgentDown",
    6,
    [up],
    [
      ["an agent does not answer for 5 minutes", series("up", up, "0x20"), true],
      ["it answers again after 3 minutes, as in an update", series("up", up, "0x3 1x20"), false],
      ["something else does not answer", series("up", { job: "other", ...node }, "0x20"), false],
    ],
  ),
  ...pair(
    "SansproxyNotReady",
    6,
    [node],
    [
      ["the first sync does not come to its end", series("sansproxy_ready", node, "0x20"), true],
      ["it comes after 2 minutes", series("sansproxy_ready", node, "0x2 1x20"), false],
    ],
  ),
  ...pair(
    "SansproxySyncLag",
    5,
    [node],
    [
      ["a change waits longer and longer", series("sansproxy_sync_lag_seconds", node, "0 0+60x10"), true],
      ["a change waited once, and not any more", series("sansproxy_sync_lag_seconds", node, "0 40 0x20"), false],
      ["changes wait a second", series("sansproxy_sync_lag_seconds", node, "1x20"), false],
    ],
  ),
  ...pair(
    "SansproxySyncStale",
    9,
    [node],
    [
      ["nothing has been synced since the start", lastSync("0x20", "1x20"), true],
      ["every minute is", lastSync("0+60x20", "1x20"), false],
      ["the first sync is still to come, which is another alert's", lastSync("0x20", "0x20"), false],
    ],
  ),
  ...pair(
    "SansproxyWritesFailing",
    15,
    [{ ...node, reason: "E2BIG" }],
    [
      [
        "writes fail all the time",
        series("sansproxy_failed_writes_total", { ...node, reason: "E2BIG" }, "2+2x20"),
        true,
      ],
      ["writes failed once", series("sansproxy_failed_writes_total", { ...node, reason: "E2BIG" }, "0 3x20"), false],
    ],
  ),
  ...pair(
    "SansproxyServiceNotServed",
    11,
    [{ ...node, reason: "FrontendsFull" }],
    [
      [
        "a Service does not fit",
        series("sansproxy_service_problems", { ...node, reason: "FrontendsFull" }, "1x20"),
        true,
      ],
      ["all do", series("sansproxy_service_problems", { ...node, reason: "FrontendsFull" }, "0x20"), false],
    ],
  ),
  ...pair(
    "SansproxyMapsCannotGrow",
    5,
    [node],
    [
      ["growing fails for the first time", series("sansproxy_failed_map_growths_total", node, "0 0 1x20"), true],
      ["it never does", series("sansproxy_failed_map_growths_total", node, "0x20"), false],
    ],
  ),
  ...pair(
    "SansproxyMapNearlyFull",
    11,
    [{ ...node, map: "frontends" }],
    [
      ["a map did not grow at 80 %", fill("frontends", 900), true],
      ["a map is about to grow", fill("frontends", 810), false],
      ["connections fill theirs, which is another alert's", fill("flows", 900), false],
      ["fragments fill theirs, which they do in time with what has served", fill("fragments", 1000), false],
    ],
  ),
  ...["networks", "socket_bypass"].flatMap((map) =>
    pair(
      "SansproxyMapNearlyFull",
      11,
      [{ ...node, map }],
      [
        [`${map} did not grow at 80 %`, fill(map, 900), true],
        [`${map} is about to grow`, fill(map, 810), false],
      ],
    ),
  ),
  ...pair(
    "SansproxyMapNearlyFull",
    11,
    [{ ...node, map: "source_ranges" }],
    [
      ["source ranges fill the half that is theirs", fill("source_ranges", 450), true],
      ["their map is about to grow", fill("source_ranges", 405), false],
    ],
  ),
  ...pair(
    "SansproxyConnectionsForgotten",
    11,
    [{ ...node, map: "flows" }],
    [
      ["there is hardly room for another connection", fill("flows", 990), true],
      ["there is room", fill("flows", 900), false],
    ],
  ),
  ...pair(
    "SansproxyDrift",
    5,
    [{ ...node, map: "links" }],
    [
      [
        "programs were detached once",
        series("sansproxy_drift_repaired_total", { ...node, map: "links" }, "0 0 1x20"),
        true,
      ],
      ["nobody else writes", series("sansproxy_drift_repaired_total", { ...node, map: "links" }, "0x20"), false],
    ],
  ),
  ...pair(
    "SansproxyDroppingPackets",
    15,
    [{ ...node, reason: "no_free_port" }],
    [
      [
        "no port is free for new connections",
        series("sansproxy_datapath_dropped_packets_total", { ...node, reason: "no_free_port" }, "0+600x20"),
        true,
      ],
      [
        "a Service has no endpoint",
        series("sansproxy_datapath_dropped_packets_total", { ...node, reason: "no_endpoint" }, "0+600x20"),
        false,
      ],
      [
        "a packet is dropped now and then",
        series("sansproxy_datapath_dropped_packets_total", { ...node, reason: "no_free_port" }, "0+2x20"),
        false,
      ],
    ],
  ),
  ...pair(
    "SansproxyProgrammingSlow",
    25,
    [node],
    [
      ["every fiftieth change takes more than 5 s", programming(2), true],
      ["none does", programming(0), false],
    ],
  ),
  ...pair(
    "SansproxyWatchFailing",
    15,
    [{ ...node, kind: "services" }],
    [
      [
        "a watch fails every half minute",
        series("sansproxy_watch_restarts_total", { ...node, kind: "services", reason: "failed" }, "0+2x20"),
        true,
      ],
      [
        "the API server ends watches, as it does",
        series("sansproxy_watch_restarts_total", { ...node, kind: "services", reason: "ended" }, "0+2x20"),
        false,
      ],
    ],
  ),
];

const folder = mkdtempSync(join(tmpdir(), "sansproxy-alerts-"));
afterAll(() => rmSync(folder, { recursive: true }));

const title = ({ alert, fires, when }: Case): string =>
  `${alert} ${fires.length > 0 ? "fires" : "is quiet"} when ${when}`;

/** Asks for the alerts themselves as Prometheus records them, so that their texts need not be repeated. */
function testGroup(one: Case): object {
  const { alert, series: given, at, fires } = one;
  const severity = rules.find((rule) => rule.alert === alert)?.labels["severity"] ?? "";
  const expected = fires.map((labels) => {
    const [sample] = Object.keys(series("ALERTS", { alertname: alert, alertstate: "firing", severity, ...labels }, ""));
    return { labels: sample, value: 1 };
  });
  // promtool repeats the expression of what failed, and nothing else that would tell which case it was.
  const expr = `ALERTS{alertname="${alert}",alertstate="firing"} # ${title(one)}.`;
  return {
    interval: "1m",
    input_series: Object.entries(given).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [{ expr, eval_time: `${at}m`, exp_samples: expected }],
  };
}

/** What promtool says of all cases, which it is started for once. */
let outcome: ReturnType<typeof promtool>;
beforeAll(() => {
  const file = join(folder, "test.yaml");
  writeFileSync(file, stringify({ rule_files: [FILE], evaluation_interval: "1m", tests: cases.map(testGroup) }));
  outcome = promtool(["test", "rules", file]);
});

test.each(cases.map((one) => [title(one)] as const))("%s", (name) => {
  expect(outcome.said).not.toContain(`# ${name}.`);
});

test("every case was evaluated, and gave what was expected of it", () => {
  expect(outcome.status, outcome.said).toBe(0);
});

test("Prometheus finds nothing wrong with the rules", () => {
  expect(promtool(["check", "rules", FILE])).toMatchObject({ status: 0 });
});

describe.each(rules.map((rule) => [rule.alert, rule] as const))("%s", (alert, { labels, annotations }) => {
  test("is tried both ways", () => {
    const tried = cases.filter((one) => one.alert === alert);
    expect(new Set(tried.map(({ fires }) => fires.length > 0))).toEqual(new Set([true, false]));
  });

  test("says what is wrong, what follows from it and what to do, each in a sentence", () => {
    expect(["critical", "warning"]).toContain(labels["severity"]);
    expect(annotations.description).toMatch(/\.$/);
    expect(annotations.runbook).toMatch(/\.$/);
    expect(annotations.summary).not.toBe("");
  });

  test("names only labels that it has when it fires", () => {
    const known = cases.filter((one) => one.alert === alert).flatMap(({ fires }) => fires.flatMap(Object.keys));
    const named = Object.values(annotations).flatMap((text) => [...text.matchAll(/\$labels\.(\w+)/g)].map((m) => m[1]));
    expect(known).toEqual(expect.arrayContaining(named));
  });
});
