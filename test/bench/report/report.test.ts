// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { type Measurement, measured, RESULTS_VERSION, type Results, type Subject } from "../results.ts";
import { compareResults, comparisonText } from "./compare.ts";
import { htmlReport } from "./html.ts";
import { plots } from "./plots.ts";
import { judge, targets } from "./targets.ts";

const subject = (changes: Partial<Subject>): Subject => ({
  ...{ suite: "connect", what: "connect", setup: "none", services: 100, endpoints: 4, position: "last" },
  ...{ unit: "µs", better: "less" },
  ...changes,
});

const connect = (setup: string, services: number, rounds: number[]): Measurement =>
  measured(
    subject({ setup, services }),
    rounds.map((value) => [value, value]),
  );

const results = (measurements: readonly Measurement[], changes: Partial<Results> = {}): Results => ({
  version: RESULTS_VERSION,
  quick: false,
  rounds: 7,
  environment: {
    ...{ date: "2026-01-01T00:00:00Z", kernel: "6.18", cpu: "a <fast> one", cpus: 2, memoryGb: 24, node: "v24" },
    ...{ clang: "16", iptables: "1.8", nft: "1.0", kubeProxy: "v1.36.3", commit: "abc", loadBefore: 1, loadAfter: 1 },
  },
  suites: [{ name: "connect", seconds: 1 }],
  measurements,
  ...changes,
});

const flat = results([
  connect("ours (socket)", 100, [20.1, 20.2]),
  connect("none", 100, [20, 20.1]),
  connect("none-again", 100, [20, 20]),
  connect("ours (socket)", 100_000, [20.3, 20.4]),
  connect("none", 100_000, [20.1, 20.2]),
]);

const forwarded = (setup: string, services: number, mpps: number): Measurement =>
  measured(subject({ suite: "forwarding", what: "established", setup, services, unit: "Mpps", better: "more" }), [
    [mpps],
    [mpps],
  ]);

const verdictOn = (id: string, on: Results) => judge(on).find((verdict) => verdict.id === id);

test("every target of the project is judged, once", () => {
  const speed = Array.from({ length: 13 }, (_, index) => `P${index + 1}`);
  expect(targets.map(({ id }) => id)).toEqual([...speed, "R1"]);
});

test("what was not measured is neither met nor missed", () => {
  expect(judge(results([])).map(({ status }) => status)).toEqual(targets.map(() => "not measured"));
});

test("a flat connect() near nobody's meets its target, and the figures are shown", () => {
  expect(verdictOn("P1", flat)).toMatchObject({ status: "met", measured: expect.stringContaining("1.01") });
});

test("a connect() that grows with the Services misses its target and says so", () => {
  const slow = results([...flat.measurements.slice(0, 3), connect("ours (socket)", 100_000, [40, 40])]);
  expect(verdictOn("P1", slow)).toMatchObject({ status: "missed", measured: expect.stringContaining(": missed") });
});

const rate = (what: string, setup: string, services: number, value: number) =>
  measured(subject({ what, setup, services, unit: "per second", better: "more" }), [[value], [value]]);
const rates = ["short connections", "keep-alive"].flatMap((what) =>
  [1, 10, 100].flatMap((services) =>
    Object.entries({ "ours (socket)": 110, iptables: 100, nftables: 90 }).map(([setup, value]) =>
      rate(what, setup, services, value),
    ),
  ),
);

test("one loss among the small clusters misses the target that wants none", () => {
  expect(verdictOn("P7", results(rates))?.status).toBe("met");
  const bad = [...rates.slice(1), rate("short connections", "ours (socket)", 1, 90)];
  expect(verdictOn("P7", results(bad))).toMatchObject({ status: "missed", measured: expect.stringContaining("0.90") });
  const large = [
    rate("short connections", "ours (socket)", 1_000, 90),
    rate("short connections", "iptables", 1_000, 100),
  ];
  expect(verdictOn("P7", results([...rates, ...large]))?.status).toBe("met");
});

test("a target of which a part was not measured is not met, and that part is named", () => {
  for (const [index, { what, services }] of rates.entries()) {
    const verdict = verdictOn("P7", results(rates.filter((_, at) => at !== index)));
    expect(verdict?.status).toBe("not measured");
    expect(verdict?.measured).toMatch(new RegExp(`${what}, ${services} Services, \\w+: not measured`));
  }
  const start = measured(subject({ suite: "control", what: "cold start", setup: "ours", services: 10_000 }), [[1]]);
  expect(verdictOn("P9", results([{ ...start, unit: "s" }]))).toMatchObject({
    ...{ status: "not measured", measured: expect.stringContaining("kernel part at 10000 Services: not measured") },
  });
});

test("one part that was missed misses its target, whatever was not measured", () => {
  const bad = [rate("keep-alive", "ours (socket)", 10, 90), rate("keep-alive", "iptables", 10, 100)];
  expect(verdictOn("P7", results(bad))?.status).toBe("missed");
});

test("churn leaves no backlog when the last change sent is in the kernel", () => {
  const churned = (what: string, value: number) =>
    measured(subject({ suite: "control", what, setup: "ours", services: 10_000, unit: "count" }), [[value], [0]]);
  const share = churned("CPU at 1,000 changes a second", 0.1);
  const next = churned("next change after churn", 3);
  expect(verdictOn("P12", results([share, next]))?.status).toBe("not measured");
  expect(verdictOn("P12", results([share, next, churned("backlog of churn", 0)]))?.status).toBe("met");
  expect(verdictOn("P12", results([share, next, churned("backlog of churn", 1)]))?.status).toBe("missed");
});

test("the report needs no other file and escapes what it is given", async () => {
  const html = htmlReport(flat, await plots(flat));
  expect(html).toContain("a &lt;fast&gt; one");
  expect(html).not.toMatch(/<script|<link|src=|href="http/);
  expect(html).toContain("<svg");
});

test("a busy box is said in the report, and so is a quick run", () => {
  const busy = { ...flat.environment, loadBefore: 9 };
  expect(htmlReport(results([], { environment: busy }), [])).toContain("busy with other work");
  expect(htmlReport(results([], { quick: true }), [])).toContain("says nothing about speed");
});

test("a comparison calls a change only what lies outside of all rounds of the other run", () => {
  const before = results([connect("ours (socket)", 100, [20, 22]), connect("none", 100, [20, 22])]);
  const after = results([connect("ours (socket)", 100, [15, 16]), connect("none", 100, [21, 25])]);
  const { changes } = compareResults(before, after);
  expect(changes.map(({ verdict }) => verdict)).toEqual(["better", "same"]);
  expect(compareResults(after, before).changes.map(({ verdict }) => verdict)).toEqual(["worse", "same"]);
});

test("a comparison warns when the runs had another kernel", () => {
  const environment = { ...flat.environment, kernel: "6.6" };
  const text = comparisonText(compareResults(results(flat.measurements, { environment }), flat));
  expect(text).toContain("kernel: 6.6 then, 6.18 now");
});

test("XDP is judged gross, and net of what the generator takes by itself", () => {
  const pairs = (
    [
      [10_000, "iptables"],
      [1_000, "nftables"],
    ] as const
  ).flatMap(([services, rival]) => [forwarded("ours (xdp)", services, 2.5), forwarded(rival, services, 0.5)]);
  const generated = (mpps: number) => [10_000, 1_000].map((services) => forwarded("generator", services, mpps));
  const gross = verdictOn("P5", results(pairs));
  expect(gross).toMatchObject({ status: "not measured", measured: expect.stringContaining("iptables: 5.00") });
  // 400 ns and 2,000 ns, of which the generator takes 250: 150 ns and 1,750.
  const net = verdictOn("P5", results([...pairs, ...generated(4)]));
  expect(net).toMatchObject({ status: "met", measured: expect.stringContaining("net of the generator: 11.67") });
  const slower = verdictOn("P5", results([...pairs, ...generated(5)]));
  expect(slower).toMatchObject({ status: "missed", measured: expect.stringContaining("net of the generator: 9.00") });
});

test("CPU and memory stand in one row with the time that they belong to", () => {
  const control = (what: string, value: number) =>
    measured({ suite: "control", what, setup: "ours", services: 10, unit: "ms", better: "less" }, [[value]]);
  const run = [control("endpoint change", 2), control("CPU of an endpoint change", 0.5), control("RSS", 90)];
  const html = htmlReport(results(run), []);
  const row = html.split("\n").find((line) => line.includes("<td>ours</td>") && line.includes(">0.500<"));
  expect(row?.match(/<td[^>]*>[^<]*<\/td>/g)?.map((cell) => cell.replace(/<[^>]*>/g, ""))).toEqual([
    ...["10", "ours", "2", "2", "0.500", "", "", "90", ""],
  ]);
});

const losses = (setup: string, disturbance: string, failed: number, broken = 0): Measurement[] =>
  Object.entries({ "new connections": 9000, failed, "long connections": 200, requests: 18_000, broken }).map(
    ([counted, value]) =>
      measured(subject({ suite: "losses", what: `${disturbance}: ${counted}`, setup, unit: "count" }), [[value]]),
  );

test("what was lost stands beside how much was asked for, whoever lost it, and has no ratio", () => {
  const run = [...losses("ours (tc)", "proxy killed", 0), ...losses("iptables", "proxy killed", 7, 1)];
  const html = htmlReport(results(run), []);
  expect(html).toContain("<h2>Lost connections</h2>");
  const row = html.split("\n").find((line) => line.startsWith("<tr><td>proxy killed</td><td>iptables</td>"));
  expect(row?.match(/>([^<]+)<\/td>/g)?.map((cell) => cell.slice(1, -5))).toEqual([
    ...["proxy killed", "iptables", "100", "9,000", "7", "200", "18,000", "1"],
  ]);
  expect(html).not.toContain("NaN");
});

test("one connection that we lost misses its target; one that was asked of a place already gone, or lost by others, does not", () => {
  const good = [
    ...losses("ours (socket)", "proxy killed", 0),
    ...losses("ours (socket)", "endpoint moves, the old one gone at once", 3),
    ...losses("nftables", "proxy killed", 5, 5),
  ];
  expect(verdictOn("R1", results(good))?.status).toBe("met");
  const failed = [...good, ...losses("ours (tc)", "proxy killed", 1)];
  expect(verdictOn("R1", results(failed))).toMatchObject({
    ...{ status: "missed", measured: expect.stringContaining("1 of 9000 new connections failed") },
  });
  const broken = [...good, ...losses("ours (tc)", "proxy killed", 0, 1)];
  expect(verdictOn("R1", results(broken))?.status).toBe("missed");
});
