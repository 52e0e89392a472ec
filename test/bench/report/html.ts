// SPDX-License-Identifier: Apache-2.0
// The report: one HTML file that needs nothing else, with targets, plots, every measurement, and ratios with their noise.
import { find, type Measurement, type Results, ratioOf } from "../results.ts";
import { beyondNoise } from "../statistics.ts";
import type { Comparison } from "./compare.ts";
import { costTables } from "./costs.ts";
import { LOSS_HEAD, lossCells } from "./losses.ts";
import type { Plot } from "./plots.ts";
import { judge } from "./targets.ts";

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const cell = (value: string | number): string =>
  typeof value === "number" ? `<td class="n">${formatted(value)}</td>` : `<td>${escaped(value)}</td>`;

const formatted = (value: number): string =>
  Number.isInteger(value)
    ? value.toLocaleString("en")
    : Math.abs(value) >= 1000
      ? value.toFixed(0)
      : value.toPrecision(3);

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const body = rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n");
  return `<table><tr>${head.map((name) => `<th>${escaped(name)}</th>`).join("")}</tr>\n${body}</table>`;
}

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0;font-size:13px}th,td{border-bottom:1px solid #ddd;padding:.2rem .6rem;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}figure{display:inline-block;margin:.5rem}.busy{background:#fff3cd;padding:.5rem 1rem}`;

function environmentPart({ environment, quick }: Results): string {
  const { loadBefore, loadAfter, cpus, ...facts } = environment;
  const busy = Math.max(loadBefore, loadAfter) > cpus;
  const load = `load ${loadBefore.toFixed(1)} before and ${loadAfter.toFixed(1)} after on ${cpus} CPUs`;
  const warnings = [
    ...(quick ? ["A quick run: it shows that everything works, and says nothing about speed."] : []),
    ...(busy
      ? [`The box was busy with other work (${load}): read times as orientation, and trust ratios and minima.`]
      : []),
  ].map((warning) => `<p class="busy">${escaped(warning)}</p>`);
  const rows = Object.entries({ ...facts, cpus, load }).map(([name, value]) => [name, String(value)]);
  return `${warnings.join("\n")}${table(["fact", "value"], rows)}`;
}

const measurementRow = ({
  what,
  setup,
  services,
  endpoints,
  position,
  unit,
  summary,
  cpuSeconds,
  note,
}: Measurement) => [
  what,
  setup,
  services,
  endpoints ?? "",
  position ?? "",
  unit,
  summary.min,
  summary.median,
  summary.p90,
  summary.p99,
  summary.spread,
  summary.n,
  cpuSeconds ?? "",
  note ?? "",
];

/** Every setup against nobody and against kube-proxy, round by round, beside what nobody measured twice gives. */
function ratioRows(results: Results): (string | number)[][] {
  const rows: (string | number)[][] = [];
  // Of counts, which are nought where all is well, there is no ratio.
  const ours = results.measurements.filter(({ setup, unit }) => setup.startsWith("ours") && unit !== "count");
  for (const one of ours) {
    const { suite, what, services, position } = one;
    const query = { suite, what, services, ...(position === undefined ? {} : { position }) };
    const [none, again] = ["none", "none-again"].map((setup) => find(results, { ...query, setup }));
    const noise = none !== undefined && again !== undefined ? ratioOf(again, none) : undefined;
    for (const setup of ["none", "iptables", "nftables"]) {
      const other = find(results, { ...query, setup });
      if (other === undefined || other.rounds.length !== one.rounds.length) continue;
      const ratio = ratioOf(one, other);
      const band = noise === undefined ? "" : `${noise.low.toFixed(3)}–${noise.high.toFixed(3)}`;
      const good = ratio.median < 1 === (one.better === "less");
      const verdict = noise !== undefined && !beyondNoise(ratio, noise) ? "within noise" : good ? "better" : "worse";
      const range = `${ratio.low.toFixed(3)}–${ratio.high.toFixed(3)}`;
      rows.push([what, one.setup, setup, services, position ?? "", ratio.median, range, ratio.pairs, band, verdict]);
    }
  }
  return rows;
}

function comparisonPart({ before, changes, warnings }: Comparison): string {
  const rows = changes.map(({ name, unit, before: then, after, ratio, verdict }) => [
    name,
    unit,
    then,
    after,
    ratio,
    verdict,
  ]);
  const beware = warnings.map((warning) => `<p class="busy">${escaped(warning)}</p>`).join("");
  return `<h2>Since ${escaped(before)}</h2>${beware}${table(["measurement", "unit", "before", "now", "ratio", "verdict"], rows)}`;
}

function lossesPart(results: Results): string {
  const rows = lossCells(results);
  if (rows.length === 0) return "";
  return `<h2>Lost connections</h2>
<p>New connections at a fixed rate and long ones that are asked in turn, while something happens to the node.</p>
${table(LOSS_HEAD, rows)}
`;
}

export function htmlReport(results: Results, plots: readonly Plot[], comparison?: Comparison): string {
  const verdicts = judge(results).map(({ id, target, status, measured }) => [id, target, status, measured]);
  const figures = plots.map(({ svg }) => `<figure>${svg}</figure>`).join("\n");
  const runs = results.suites.map(({ name, seconds, error }) => [name, seconds, error ?? "complete"]);
  const suites = [...new Set(results.measurements.map(({ suite }) => suite))].map((suite) => {
    const rows = results.measurements.filter((one) => one.suite === suite).map(measurementRow);
    const head = ["what", "setup", "Services", "endpoints", "position", "unit", "min", "median", "p90", "p99"];
    return `<h3>${escaped(suite)}</h3>${table([...head, "spread", "n", "CPU s", "note"], rows)}`;
  });
  const costs = costTables(results).map(({ title, head, rows }) => `<h3>${escaped(title)}</h3>${table(head, rows)}`);
  const ratioHead = [
    "what",
    "setup",
    "to",
    "Services",
    "position",
    "ratio",
    "90 % of pairs",
    "pairs",
    "noise (A/A)",
    "verdict",
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>sansproxy bench</title><style>${STYLE}</style></head><body>
<h1>sansproxy bench</h1>
${environmentPart(results)}
<h2>Targets</h2>
${table(["", "target", "status", "measured"], verdicts)}
<h2>Plots</h2>
${figures}
<h2>Ratios, pair by pair</h2>
<p>Rounds ran interleaved; a ratio is taken within one round. The noise is what the same thing gives when measured twice.</p>
${table(ratioHead, ratioRows(results))}
${lossesPart(results)}<h2>Time, CPU and memory, side by side</h2>
${costs.join("\n")}
${comparison === undefined ? "" : comparisonPart(comparison)}
<h2>Measurements</h2>
${table(["suite", "seconds", "outcome"], runs)}
${suites.join("\n")}
</body></html>
`;
}
