// SPDX-License-Identifier: Apache-2.0
// What samples say: median, percentiles, spread, and ratios taken pair by pair of rounds that ran side by side.

export interface Summary {
  readonly n: number;
  readonly min: number;
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** Median distance from the median: half of the samples are nearer. */
  readonly spread: number;
}

/** The share `part` (0 to 1) of sorted samples lies at or below this; between two samples on the line that joins them. */
export function percentile(sorted: readonly number[], part: number): number {
  if (sorted.length === 0) throw new RangeError("no samples, no percentile: the measurement gave nothing");
  const at = (sorted.length - 1) * part;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

const ascending = (samples: readonly number[]): number[] => [...samples].sort((a, b) => a - b);

export const median = (samples: readonly number[]): number => percentile(ascending(samples), 0.5);

export function summarize(samples: readonly number[]): Summary {
  const strange = samples.find((sample) => !Number.isFinite(sample));
  if (strange !== undefined) throw new RangeError(`${strange} is no sample: the measurement is broken`);
  const sorted = ascending(samples);
  const middle = percentile(sorted, 0.5);
  return {
    n: sorted.length,
    min: percentile(sorted, 0),
    median: middle,
    p90: percentile(sorted, 0.9),
    p99: percentile(sorted, 0.99),
    max: percentile(sorted, 1),
    spread: median(sorted.map((sample) => Math.abs(sample - middle))),
  };
}

export interface Ratio {
  readonly pairs: number;
  readonly median: number;
  /** Nine of ten pairs lie between these; with few pairs, all of them. */
  readonly low: number;
  readonly high: number;
}

/** Of round i of `a` to round i of `b`, which ran beside it: what both suffered alike cancels out. */
export function pairedRatio(a: readonly number[], b: readonly number[]): Ratio {
  if (a.length !== b.length) throw new RangeError(`${a.length} rounds cannot be paired with ${b.length}`);
  const ratios = ascending(a.map((value, round) => value / (b[round] ?? Number.NaN)));
  return {
    pairs: ratios.length,
    median: percentile(ratios, 0.5),
    low: percentile(ratios, 0.05),
    high: percentile(ratios, 0.95),
  };
}

/** Whether a ratio lies outside of what the same thing measured twice gives. */
export const beyondNoise = (ratio: Ratio, noise: Ratio): boolean =>
  ratio.median > Math.max(noise.high, 1) || ratio.median < Math.min(noise.low, 1);

/** The order of a round: each begins with another, so that none always runs first or after the same one. */
export function rotated<T>(all: readonly T[], round: number): T[] {
  const at = all.length === 0 ? 0 : round % all.length;
  return [...all.slice(at), ...all.slice(0, at)];
}
