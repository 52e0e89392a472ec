// SPDX-License-Identifier: Apache-2.0
// The plots of a run as SVG, drawn by Vega-Lite; each panel only when its measurements are there.
import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import type { Results } from "../results.ts";
import { type Panel, type PlotPlan, plans } from "./plot-plans.ts";
import { extentOf, labelsOf, logTicks, type Rows, rowsOf } from "./plot-rows.ts";

export interface Plot {
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

/** Colours that people with colour blindness tell apart (Okabe and Ito); the same setup has the same one everywhere. */
const colours: Readonly<Record<string, string>> = {
  "ours (socket)": "#0072b2",
  "ours (tc)": "#56b4e9",
  "ours (xdp)": "#009e73",
  ours: "#0072b2",
  iptables: "#d55e00",
  nftables: "#cc79a7",
  none: "#000000",
  generator: "#777777",
};
const SPARE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#777777"];
const NOISE = "#bbbbbb";
const LOSS = "#b00020";
/** Told apart also without colours: kube-proxy's lines are broken. */
const dashes: Readonly<Record<string, number[]>> = { iptables: [6, 3], nftables: [2, 2], generator: [1, 3] };
/** What a setup is called beside its line. */
const names: Readonly<Record<string, string>> = {
  none: "no load balancer",
  generator: "generator alone",
  iptables: "kube-proxy iptables",
  nftables: "kube-proxy nftables",
};

const [WIDTH, HEIGHT] = [360, 300];
/** Of so many the height has room. */
const LABEL_LINES = 20;
/** 1000 is 1k, and 0.02 stays as it is. */
const NUMBER = "datum.value >= 1000 ? format(datum.value, '~s') : format(datum.value, '~r')";
const numberOf = (value: number): string => (value >= 1000 ? `${value / 1000}k` : String(value));

const range = (values: readonly number[]): readonly [number, number] => [Math.min(...values), Math.max(...values)];

/** Of one size there is a point and no line: it stands in the middle. */
function sizesOf({ points }: Rows): { readonly ticks: number[]; readonly domain: [number, number] } {
  const ticks = [...new Set(points.map(({ services }) => services))].sort((a, b) => a - b);
  const [first, last] = range(ticks);
  return { ticks, domain: first === last ? [first / 2, last * 2] : [first, last] };
}

/** Text over a white rim, so that a line behind it does not strike it out. */
const textLayers = (values: readonly object[], mark: object, encoding: object): object[] =>
  [{ stroke: "white", strokeWidth: 4, strokeOpacity: 0.85 }, {}].map((rim) => ({
    data: { values },
    mark: { type: "text", ...mark, ...rim },
    encoding,
  }));

function layersOf(panel: Panel, rows: Rows): object {
  const { scale, title, axis } = panel;
  const series = [...new Set(rows.points.map((point) => point.series))];
  const extent = extentOf(rows, scale);
  const { ticks, domain } = sizesOf(rows);
  const bySeries = (values: readonly unknown[]) => ({
    ...{ field: "series", type: "nominal", legend: null },
    scale: { domain: series, range: values },
  });
  const color = bySeries(series.map((name, index) => colours[name] ?? SPARE[index % SPARE.length]));
  const strokeDash = bySeries(series.map((name) => dashes[name] ?? [1, 0]));
  const x = {
    ...{ field: "services", type: "quantitative", title: "Services" },
    scale: { type: "log", domain, nice: false },
    axis: { values: ticks, labelExpr: NUMBER, grid: false, labelOverlap: "greedy", labelFlush: false },
  };
  const y = (field: string) => ({
    ...{ field, type: "quantitative", title: axis },
    scale: { type: scale, domain: [extent.low, extent.high], nice: false },
    axis: {
      labelExpr: NUMBER,
      gridColor: "#eeeeee",
      ...(scale === "log" ? { values: logTicks(extent) } : { tickCount: 5 }),
    },
  });
  const labels = labelsOf(rows, scale, extent, LABEL_LINES).map((label) => {
    const where = label.services < domain[1] && ticks.length > 1 ? `, to ${numberOf(label.services)}` : "";
    return { ...label, text: `${names[label.series] ?? label.series}${where}` };
  });
  const drawn = { data: { values: [...rows.points] } };
  const value = { x, y: y("value") };
  return {
    title: { text: title, fontWeight: "normal", fontSize: 12, offset: 14 },
    width: WIDTH,
    height: HEIGHT,
    layer: [
      {
        data: { values: [...rows.noise] },
        mark: { type: "area", color: NOISE, opacity: 0.5 },
        encoding: { x, y: y("low"), y2: { field: "high" } },
      },
      { ...drawn, mark: { type: "rule", opacity: 0.6 }, encoding: { x, y: y("low"), y2: { field: "high" }, color } },
      { ...drawn, mark: { type: "line", strokeWidth: 2 }, encoding: { ...value, color, strokeDash } },
      { ...drawn, mark: { type: "point", filled: true, size: 36, opacity: 1 }, encoding: { ...value, color } },
      {
        data: { values: [...rows.losses] },
        mark: { type: "point", shape: "circle", size: 150, color: LOSS, strokeWidth: 1.5, opacity: 1 },
        encoding: value,
      },
      ...textLayers(
        rows.losses,
        { color: LOSS, fontSize: 10, dx: 4, dy: -14, align: "left" },
        { ...value, text: { field: "text", type: "nominal" } },
      ),
      ...textLayers(
        labels,
        { align: "left", dx: 8, fontSize: 11, x: WIDTH },
        { y: y("at"), text: { field: "text", type: "nominal" }, color },
      ),
    ],
  };
}

/** What one has to know of a picture that is shown without its report. */
export function conditions({ environment, quick, rounds }: Results): string {
  const { kernel, cpus, kubeProxy, date, loadBefore } = environment;
  const proxy = kubeProxy.replace(/^Kubernetes /, "kube-proxy ");
  const text = `Linux ${kernel}, ${cpus} CPUs, ${proxy}, ${date.slice(0, 10)}, load ${loadBefore.toFixed(1)} at the start, ${rounds === 1 ? "one round" : `${rounds} rounds`}`;
  return quick ? `${text}; a quick run, which says nothing about speed` : text;
}

/** Says what the marks mean that are in these panels. */
function keyOf(drawn: readonly Rows[]): string {
  const has = (of: (rows: Rows) => boolean, text: string) => (drawn.some(of) ? [text] : []);
  return [
    ...has(({ points }) => points.some(({ low, high }) => low < high), "bars: lowest to highest round"),
    ...has(({ noise }) => noise.length > 0, "grey: what nobody, measured twice, differs by"),
    ...has(({ losses }) => losses.length > 0, "red: kube-proxy was better, and how good we were beside it"),
  ].join("; ");
}

function specOf({ title }: PlotPlan, drawn: readonly (readonly [Panel, Rows])[], results: Results): TopLevelSpec {
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: title,
      subtitle: [conditions(results), keyOf(drawn.map(([, rows]) => rows))],
      anchor: "start",
      fontSize: 15,
      offset: 12,
      subtitleColor: "#666666",
    },
    background: "white",
    padding: 12,
    config: { view: { stroke: null }, font: "sans-serif", concat: { spacing: 20 } },
    hconcat: drawn.map(([panel, rows]) => layersOf(panel, rows)),
    resolve: { scale: { color: "independent", strokeDash: "independent" } },
  } as unknown as TopLevelSpec;
}

/**
 * Without a canvas Vega takes a letter to be four fifths of the font's size wide, which is half as much again as letters
 * are, and leaves as much room between panels. Its types do not know of it.
 */
const { textMetrics } = vega as unknown as {
  readonly textMetrics: { width: (item: { readonly fontSize?: number }, text: unknown) => number };
};
textMetrics.width = ({ fontSize = 11 }, text) => 0.58 * fontSize * String(text ?? "").length;

export async function plots(results: Results): Promise<Plot[]> {
  const drawn: Plot[] = [];
  for (const plan of plans) {
    const panels = plan.panels
      .map((panel) => [panel, rowsOf(results, panel)] as const)
      .filter(([, { points }]) => points.length > 0);
    if (panels.length === 0) continue;
    const { spec } = compile(specOf(plan, panels, results), { logger: strict });
    const view = new vega.View(vega.parse(spec as vega.Spec), { renderer: "none" });
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
