// SPDX-License-Identifier: Apache-2.0
// The plots of a run as SVG, drawn by Vega-Lite; each only when its measurements are there.
import { parse, type Spec, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { type Measurement, type Query, type Results, select } from "../results.ts";

export interface Plot {
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

interface PlotPlan {
  readonly name: string;
  readonly title: string;
  readonly axis: string;
  readonly queries: readonly Query[];
  readonly logarithmic?: boolean;
}

/** Colours that people with colour blindness tell apart (Okabe and Ito); the same setup has the same one everywhere. */
const colours: Readonly<Record<string, string>> = {
  "ours (socket)": "#0072b2",
  "ours (tc)": "#56b4e9",
  "ours (xdp)": "#009e73",
  ours: "#0072b2",
  iptables: "#d55e00",
  nftables: "#e69f00",
  none: "#000000",
  "none-again": "#999999",
  generator: "#999999",
};

const plans: readonly PlotPlan[] = [
  {
    name: "connect",
    title: "connect() to the last Service, median",
    axis: "µs",
    queries: [{ suite: "connect", what: "connect", position: "last" }],
    logarithmic: true,
  },
  {
    name: "short-connections",
    title: "Short connections to the last Service, one client",
    axis: "per second",
    queries: [{ suite: "connect", what: "short connections" }],
  },
  {
    name: "keep-alive",
    title: "Questions and answers on one connection",
    axis: "per second",
    queries: [{ suite: "connect", what: "keep-alive" }],
  },
  {
    name: "programs",
    title: "Packet programs, net of a null program",
    axis: "ns a packet",
    queries: [{ suite: "programs" }],
  },
  {
    name: "endpoint-change",
    title: "One endpoint change to the first packet steered, median",
    axis: "ms",
    queries: [{ suite: "control", what: "endpoint change" }],
    logarithmic: true,
  },
  {
    name: "cold-start",
    title: "Start of the proxy to every Service answering",
    axis: "s",
    queries: [{ suite: "control", what: "cold start" }],
    logarithmic: true,
  },
  {
    name: "memory",
    title: "Memory of the proxy",
    axis: "MB",
    queries: [{ suite: "control", what: "RSS" }],
  },
  {
    name: "forwarding",
    title: "Forwarding over veth, one core",
    axis: "Mpps",
    queries: [{ suite: "forwarding" }],
    logarithmic: true,
  },
];

interface Row {
  readonly services: number;
  readonly series: string;
  readonly setup: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Setups are the lines, or what was measured where there is one setup only. */
function rowsOf(measurements: readonly Measurement[]): Row[] {
  const whats = new Set(measurements.map(({ what }) => what));
  const setups = new Set(measurements.map(({ setup }) => setup));
  return measurements.map(({ services, setup, what, summary, rounds }) => ({
    services,
    setup,
    series: whats.size === 1 ? setup : setups.size === 1 ? what : `${what}: ${setup}`,
    median: summary.median,
    low: Math.min(...rounds),
    high: Math.max(...rounds),
  }));
}

function specOf({ title, axis, logarithmic = false }: PlotPlan, rows: readonly Row[]): TopLevelSpec {
  const series = [...new Set(rows.map((row) => row.series))];
  const known = series.every((name) => name in colours);
  const colour = known
    ? { domain: series, range: series.map((name) => colours[name] ?? "#000000") }
    : { domain: series };
  const scale: { type: "log" } | { type: "linear"; zero: boolean } = logarithmic
    ? { type: "log" }
    : { type: "linear", zero: true };
  const y = { type: "quantitative", scale } as const;
  const x = { field: "services", type: "quantitative", scale: { type: "log" }, title: "Services" } as const;
  const color = { field: "series", type: "nominal", scale: colour, title: null } as const;
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title,
    width: 560,
    height: 300,
    background: "white",
    data: { values: [...rows] },
    layer: [
      { mark: { type: "line", point: true }, encoding: { x, y: { ...y, field: "median", title: axis }, color } },
      { mark: { type: "rule" }, encoding: { x, y: { ...y, field: "low", title: axis }, y2: { field: "high" }, color } },
    ],
  };
}

export async function plots(results: Results): Promise<Plot[]> {
  const drawn: Plot[] = [];
  for (const plan of plans) {
    const rows = rowsOf(plan.queries.flatMap((query) => select(results, query)));
    if (rows.length === 0) continue;
    const { spec } = compile(specOf(plan, rows), { logger: strict });
    const view = new View(parse(spec as Spec), { renderer: "none" });
    drawn.push({ name: plan.name, title: plan.title, svg: await view.toSVG() });
    view.finalize();
  }
  return drawn;
}

/** Vega-Lite warns where it draws something else than asked: for us that is an error. */
const refuse = (...said: readonly unknown[]): never => {
  throw new Error(`the plot cannot be drawn as asked: ${said.join(" ")}`);
};
const strict = {
  level: () => strict as never,
  error: refuse,
  warn: refuse,
  info: () => strict,
  debug: () => strict,
};
