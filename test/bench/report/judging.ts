// SPDX-License-Identifier: Apache-2.0
// How a part of a target is judged: a finding for each part, also for one that was not measured.
import { find, type Measurement, type Query, type Results, ratioOf, select } from "../results.ts";
import { pairedRatio, type Ratio } from "../statistics.ts";
import { lossRows } from "./losses.ts";

export interface Finding {
  /** Undefined: this part was not measured. */
  readonly met: boolean | undefined;
  readonly says: string;
}

export type Judge = (results: Results) => Finding[];

/** Of the size that is asked for. */
export type SizedQuery = Query & { readonly services: number };

const unmeasured = (says: string): Finding => ({ met: undefined, says });
const number = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

export const medianOf = ({ summary }: Measurement): number => summary.median;
export const p99Of = ({ summary }: Measurement): number => summary.p99;

/** At most so many units. */
export const atMost =
  (what: string, limit: number, query: SizedQuery, value: (one: Measurement) => number = medianOf): Judge =>
  (results) => {
    const name = `${what} at ${query.services} Services`;
    const one = find(results, query);
    if (one === undefined) return [unmeasured(name)];
    return [{ met: value(one) <= limit, says: `${name}: ${number(value(one))} ${one.unit} (at most ${limit})` }];
  };

/** What a size costs more than 100 Services. */
export const growth =
  (query: Query, limits: Readonly<Record<number, number>>): Judge =>
  (results) => {
    const small = find(results, { ...query, services: 100 });
    return Object.entries(limits).map(([services, limit]) => {
      const name = `${services} − 100 Services`;
      const large = find(results, { ...query, services: Number(services) });
      if (small === undefined || large === undefined) return unmeasured(name);
      const more = large.summary.median - small.summary.median;
      return { met: more <= limit, says: `${name}: ${number(more)} ns (at most ${limit})` };
    });
  };

/** How many times as good as another setup, in the same rounds. */
export const times =
  (query: SizedQuery, ours: string, rival: string, least: number): Judge =>
  (results) => {
    const name = `${query.what}, ${query.services} Services, ${rival}`;
    const [one, other] = [ours, rival].map((setup) => find(results, { ...query, setup }));
    if (one === undefined || other === undefined) return [unmeasured(name)];
    const ratio = one.better === "more" ? ratioOf(one, other) : ratioOf(other, one);
    return [{ met: ratio.median >= least, says: `${name}: ${ranged(ratio)} (at least ${least})` }];
  };

const ranged = ({ median, low, high }: Ratio): string => `${median.toFixed(2)} [${low.toFixed(2)}–${high.toFixed(2)}]`;

/** The same of what is left of a packet's time when that of the generator alone is taken away. */
export const netTimes =
  (query: SizedQuery, ours: string, rival: string, least: number): Judge =>
  (results) => {
    const name = `${query.what}, ${query.services} Services, ${rival}, net of the generator`;
    const [one, other, generator] = [ours, rival, "generator"].map((setup) => find(results, { ...query, setup }));
    if (one === undefined || other === undefined || generator === undefined) return [unmeasured(name)];
    const nanoseconds = ({ rounds }: Measurement) => rounds.map((mpps) => 1e3 / mpps);
    const alone = nanoseconds(generator);
    const net = (of: Measurement) => nanoseconds(of).map((whole, round) => whole - (alone[round] ?? Number.NaN));
    const ratio = pairedRatio(net(other), net(one));
    return [{ met: ratio.median >= least, says: `${name}: ${ranged(ratio)} (at least ${least})` }];
  };

const [FEW, MANY] = [100, 100_000];

/** connect() to the last Service: with many Services as with few, and as without a load balancer. */
export function flatConnect(results: Results): Finding[] {
  const query = { suite: "connect", what: "connect", position: "last" };
  const ours = { ...query, setup: "ours (socket)" };
  const [small, large] = [FEW, MANY].map((services) => find(results, { ...ours, services }));
  const flat = (
    [
      ["p50", medianOf],
      ["p99", p99Of],
    ] as const
  ).map(([name, value]) => {
    const what = `${name} at ${MANY} to ${FEW} Services`;
    if (small === undefined || large === undefined) return unmeasured(what);
    const ratio = value(large) / value(small);
    return { met: ratio <= 1.05, says: `${what}: ${ratio.toFixed(3)} (at most 1.05)` };
  });
  const sizes = select(results, ours).sort((a, b) => a.services - b.services);
  const beside = sizes.map((one) => {
    const { services } = one;
    const what = `to no load balancer at ${services} Services`;
    const [none, again] = ["none", "none-again"].map((setup) => find(results, { ...query, services, setup }));
    if (none === undefined) return unmeasured(what);
    const { median } = ratioOf(one, none);
    const noise = again === undefined ? "" : `, nobody again to nobody ${ratioOf(again, none).median.toFixed(3)}`;
    return { met: median <= 1.02, says: `${what}: ${median.toFixed(3)} (at most 1.02${noise})` };
  });
  return [...flat, ...beside];
}

/** We lose nothing of what nobody could have been slow about: an endpoint that is gone at once is gone before anyone hears of it. */
export const lossless: Judge = (results) =>
  lossRows(results)
    .filter(({ setup, disturbance }) => setup.startsWith("ours") && !disturbance.endsWith("at once"))
    .map(({ setup, disturbance, services, failed, connections, broken, longConnections }) => ({
      met: failed === 0 && broken === 0,
      says:
        `${setup}, ${disturbance}, ${services} Services: ${failed} of ${connections} new connections failed, ` +
        `${broken} of ${longConnections} long ones broke (none)`,
    }));

export const all =
  (...judges: readonly Judge[]): Judge =>
  (results) =>
    judges.flatMap((judge) => judge(results));
