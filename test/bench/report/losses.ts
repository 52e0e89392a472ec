// SPDX-License-Identifier: Apache-2.0
// What was lost of how much: each setup under each disturbance in one row.
import { find, type Results, select } from "../results.ts";

export interface LossRow {
  readonly services: number;
  /** Such as `proxy killed and started`. */
  readonly disturbance: string;
  readonly setup: string;
  readonly connections: number;
  readonly failed: number;
  readonly longConnections: number;
  readonly requests: number;
  readonly broken: number;
}

const FAILED = ": failed";

export function lossRows(results: Pick<Results, "measurements">): LossRow[] {
  return select(results, { suite: "losses" })
    .filter(({ what }) => what.endsWith(FAILED))
    .map(({ what, setup, services, summary: { median: failed } }) => {
      const disturbance = what.slice(0, -FAILED.length);
      const count = (counted: string): number =>
        find(results, { suite: "losses", what: `${disturbance}: ${counted}`, setup, services })?.summary.median ??
        Number.NaN;
      return {
        ...{ services, disturbance, setup, failed, connections: count("new connections") },
        ...{ longConnections: count("long connections"), requests: count("requests"), broken: count("broken") },
      };
    });
}

export const LOSS_HEAD = [
  ...["while", "setup", "Services", "new connections", "of them failed", "long connections", "asked", "of them broken"],
];

export const lossCells = (results: Pick<Results, "measurements">): (string | number)[][] =>
  lossRows(results).map(({ disturbance, setup, services, connections, failed, longConnections, requests, broken }) => [
    ...[disturbance, setup, services, connections, failed, longConnections, requests, broken],
  ]);
