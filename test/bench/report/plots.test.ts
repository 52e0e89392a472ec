// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { type Measurement, measured, RESULTS_VERSION, type Results, type Subject } from "../results.ts";
import type { Panel } from "./plot-plans.ts";
import { extentOf, labelsOf, logTicks, rowsOf } from "./plot-rows.ts";
import { plots } from "./plots.ts";
import { pngOf } from "./png.ts";

const rates = (setup: string, services: number, rounds: number[], changes: Partial<Subject> = {}): Measurement => {
  const subject: Subject = {
    ...{ suite: "connect", what: "short connections", setup, services, position: "last" },
    ...{ unit: "per second", better: "more" },
    ...changes,
  };
  return measured(
    subject,
    rounds.map((round) => [round]),
  );
};

const results = (measurements: readonly Measurement[]): Results => ({
  version: RESULTS_VERSION,
  quick: false,
  rounds: 7,
  environment: {
    ...{ date: "2026-01-01T00:00:00Z", kernel: "6.18", cpu: "one", cpus: 2, memoryGb: 24, node: "v24", clang: "16" },
    ...{ iptables: "1.8", nft: "1.0", kubeProxy: "Kubernetes v1.36.3", commit: "abc", loadBefore: 0.5, loadAfter: 1 },
  },
  suites: [],
  measurements,
});

const panel: Panel = {
  ...{ title: "rates", axis: "per second", statistic: "median", scale: "linear" },
  query: { suite: "connect", what: "short connections" },
};

const run = results([
  rates("none", 10, [100, 104]),
  rates("none-again", 10, [98, 101]),
  rates("ours (socket)", 10, [80, 82]),
  rates("iptables", 10, [90, 92]),
  rates("nftables", 10, [70, 72]),
  rates("ours (socket)", 1_000, [81, 83]),
]);

test("nobody measured twice is no line of its own: it is what the two rounds of both reach over", () => {
  const { points, noise } = rowsOf(run, panel);
  expect(new Set(points.map(({ series }) => series))).toEqual(
    new Set(["none", "ours (socket)", "iptables", "nftables"]),
  );
  expect(noise).toMatchObject([{ services: 10, low: 98, high: 104 }]);
  expect(points.find(({ series }) => series === "iptables")).toMatchObject({ value: 91, low: 90, high: 92 });
});

test("a point where a kube-proxy was better is marked, by the better one and with our share", () => {
  expect(rowsOf(run, panel).losses).toEqual([{ services: 10, value: 81, text: "0.89×" }]);
});

test("a worse 99th percentile is marked in its own panel", () => {
  const times = (setup: string, rounds: number[][]): Measurement =>
    measured(
      { suite: "connect", what: "connect", setup, services: 10, position: "last", unit: "µs", better: "less" },
      rounds,
    );
  const slow = [Array.from({ length: 99 }, () => 10).concat(60, 60), [10]];
  const tails = results([times("ours (socket)", slow), times("iptables", [[11, 20], [11]])]);
  const query = { suite: "connect", what: "connect" };
  expect(rowsOf(tails, { ...panel, query }).losses).toEqual([]);
  expect(rowsOf(tails, { ...panel, query, statistic: "p99" }).losses).toMatchObject([{ services: 10, text: "0.33×" }]);
});

test("a difference within the noise is no loss", () => {
  const near = results([
    rates("none", 10, [100]),
    rates("none-again", 10, [90]),
    rates("ours", 10, [95]),
    rates("iptables", 10, [100]),
  ]);
  expect(rowsOf(near, panel).losses).toEqual([]);
});

test("labels that would cover each other are moved apart, in order and within the picture", () => {
  const rows = rowsOf(results(["a", "b", "c", "d"].map((setup, index) => rates(setup, 10, [100 - index]))), panel);
  const extent = extentOf(rows, "linear");
  const labels = labelsOf(rows, "linear", extent, 10);
  expect(labels.map(({ series }) => series)).toEqual(["d", "c", "b", "a"]);
  const heights = labels.map(({ at }) => at);
  for (const [index, height] of heights.slice(1).entries())
    expect(height - (heights[index] ?? 0)).toBeGreaterThanOrEqual(extent.high / 10 - 1e-9);
  expect(Math.max(...heights)).toBeLessThanOrEqual(extent.high);
});

test("a logarithmic axis is marked at 1, 2 and 5, and at powers of ten alone where that is too much", () => {
  expect(logTicks({ low: 15, high: 600 })).toEqual([20, 50, 100, 200, 500]);
  expect(logTicks({ low: 0.004, high: 5_000 })).toEqual([0.01, 0.1, 1, 10, 100, 1_000]);
});

test("each plot names its lines beside them and its conditions above them, and says where a line ends early", async () => {
  const [plot] = await plots(run);
  expect(plot?.name).toBe("rates");
  for (const text of ["ours (socket)", "kube-proxy iptables, to 10", "no load balancer, to 10", "0.89×"])
    expect(plot?.svg).toContain(`>${text}<`);
  expect(plot?.svg).toContain("Linux 6.18, 2 CPUs, kube-proxy v1.36.3, 2026-01-01, load 0.5 at the start, 7 rounds");
  expect(plot?.svg).toContain('aria-roledescription="line mark"');
});

test("a plot becomes a PNG of twice its size", async () => {
  const [plot] = await plots(run);
  const png = pngOf(plot?.svg ?? "");
  expect(png.subarray(1, 4).toString()).toBe("PNG");
  const width = Number(/<svg[^>]* width="(\d+)"/.exec(plot?.svg ?? "")?.[1]);
  expect(Math.abs(png.readUInt32BE(16) - 2 * width)).toBeLessThanOrEqual(1);
  expect(() => pngOf("no picture")).toThrow("could not draw");
});
