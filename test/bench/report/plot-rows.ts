// SPDX-License-Identifier: Apache-2.0
// The points of a panel: one line for each setup, the noise of nobody measured twice, the losses, and where labels find room.
import { type Measurement, type Results, ratioOf, select } from "../results.ts";
import { beyondNoise, pairedRatio, type Ratio } from "../statistics.ts";
import type { Panel } from "./plot-plans.ts";

export interface Point {
  readonly series: string;
  readonly services: number;
  readonly value: number;
  /** Of the lowest and the highest round; equal to `value` where the rounds do not say. */
  readonly low: number;
  readonly high: number;
}

/** A point at which a kube-proxy did better than we, and by how much. */
export interface Loss {
  readonly services: number;
  readonly value: number;
  readonly text: string;
}

export interface Label {
  readonly series: string;
  /** Where its line ends. */
  readonly services: number;
  /** How high the label stands, so that it covers no other. */
  readonly at: number;
}

export interface Rows {
  readonly points: readonly Point[];
  /** What nobody gave, and nobody again: a difference within it says nothing. */
  readonly noise: readonly Point[];
  readonly losses: readonly Loss[];
}

const RIVALS = ["iptables", "nftables"];

export function rowsOf(results: Results, panel: Panel): Rows {
  const found = select(results, panel.query).filter(({ summary }) => summary[panel.statistic] > 0);
  const shown = found.filter(({ setup }) => setup !== "none-again");
  const setups = new Set(shown.map(({ setup }) => setup));
  const whats = new Set(shown.map(({ what }) => what));
  const seriesOf = ({ setup, what }: Measurement) =>
    whats.size === 1 ? setup : setups.size === 1 ? what : `${what}: ${setup}`;
  const points = shown.map((one) => pointOf(one, panel, seriesOf(one)));
  return {
    points: points.sort((a, b) => a.services - b.services),
    noise: noiseOf(found, panel),
    losses: shown.flatMap((one) => lossesOf(one, found, panel)),
  };
}

function pointOf({ services, summary, rounds }: Measurement, { statistic, scale }: Panel, series: string): Point {
  const value = summary[statistic];
  const seen = statistic === "median" ? rounds.filter((round) => round > 0 || scale === "linear") : [];
  return { series, services, value, low: Math.min(value, ...seen), high: Math.max(value, ...seen) };
}

function noiseOf(found: readonly Measurement[], panel: Panel): Point[] {
  const noise = found.filter(({ setup }) => setup === "none" || setup === "none-again");
  const sizes = [...new Set(noise.filter(({ setup }) => setup === "none-again").map(({ services }) => services))];
  return sizes
    .sort((a, b) => a - b)
    .map((services) => {
      const same = noise.filter((one) => one.services === services).map((one) => pointOf(one, panel, "noise"));
      const [lows, highs] = [same.map(({ low }) => low), same.map(({ high }) => high)];
      return { series: "noise", services, value: Math.min(...lows), low: Math.min(...lows), high: Math.max(...highs) };
    });
}

/**
 * Against the better of the two kube-proxies, where the difference is more than noise. Of a percentile there is one for all
 * rounds together, and so one ratio.
 */
function lossesOf(one: Measurement, found: readonly Measurement[], { statistic }: Panel): Loss[] {
  const ratio = (a: Measurement, b: Measurement): Ratio =>
    statistic === "median" ? ratioOf(a, b) : pairedRatio([a.summary[statistic]], [b.summary[statistic]]);
  if (!one.setup.startsWith("ours")) return [];
  const beside = found.filter(({ what, services }) => what === one.what && services === one.services);
  const [none, again] = ["none", "none-again"].map((name) => beside.find(({ setup }) => setup === name));
  const noise = none && again && ratio(again, none);
  const lost = beside
    .filter((other) => RIVALS.includes(other.setup) && other.rounds.length === one.rounds.length)
    .map((other) => (one.better === "more" ? ratio(one, other) : ratio(other, one)))
    .filter((share) => share.median < 1 && !(noise && !beyondNoise(share, noise)))
    .map(({ median }) => median);
  const { services, summary } = one;
  return lost.length === 0 ? [] : [{ services, value: summary[statistic], text: `${Math.min(...lost).toFixed(2)}×` }];
}

export interface Extent {
  readonly low: number;
  readonly high: number;
}

/** Of all that is drawn, with room at both ends. */
export function extentOf({ points, noise }: Rows, scale: Panel["scale"]): Extent {
  const all = [...points, ...noise];
  const [low, high] = [Math.min(...all.map((point) => point.low)), Math.max(...all.map((point) => point.high))];
  return scale === "log" ? { low: low / 1.5, high: high * 1.5 } : { low: 0, high: high * 1.08 };
}

/**
 * One label for each line, all in one column with room for `lines`: as high as the line's end, and moved apart where that
 * is too near another's.
 */
export function labelsOf({ points }: Rows, scale: Panel["scale"], extent: Extent, lines: number): Label[] {
  const [onto, back] = scale === "log" ? [Math.log, Math.exp] : [Number, Number];
  const gap = (onto(extent.high) - onto(extent.low)) / lines;
  const ends = [...new Map(points.map((point) => [point.series, point])).values()].sort((a, b) => a.value - b.value);
  const heights = ends.map(({ value }) => onto(value));
  // Upwards first, and then as far down again as the top wants it.
  for (let at = 1; at < heights.length; at++) heights[at] = Math.max(heights[at] ?? 0, (heights[at - 1] ?? 0) + gap);
  let ceiling = onto(extent.high);
  for (let at = heights.length - 1; at >= 0; at--) {
    const height = Math.min(heights[at] ?? 0, ceiling);
    heights[at] = height;
    ceiling = height - gap;
  }
  return ends.map(({ series, services }, index) => ({ series, services, at: back(heights[index] ?? 0) }));
}

/** 1, 2 and 5 of each power of ten within the extent; every second of these where they would be too many. */
export function logTicks({ low, high }: Extent): number[] {
  const powers = Array.from({ length: 40 }, (_, index) => index - 20);
  const ticks = powers.flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  const within = ticks.filter((tick) => tick >= low && tick <= high);
  return within.length <= 9 ? within : within.filter((tick) => /^1(e|0*$|$)|^0\.0*1$/.test(`${tick}`));
}
