// SPDX-License-Identifier: Apache-2.0
// What a thing costs beside how long it takes: time, CPU and memory of each setup at each size, in one row.
import { find, type Query, type Results, select } from "../results.ts";

interface Column {
  readonly head: string;
  readonly query: Query;
  readonly statistic?: "p99";
}

export interface CostTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

const last = (what: string): Query => ({ suite: "connect", what, position: "last" });
const control = (what: string): Query => ({ suite: "control", what });
const sources = (what: string): Query => ({ suite: "sources", what });

const tables: readonly { readonly title: string; readonly columns: readonly Column[] }[] = [
  {
    title: "Connections to the last Service",
    columns: [
      { head: "connect() p50, µs", query: last("connect") },
      { head: "p99, µs", query: last("connect"), statistic: "p99" },
      { head: "short connections a second", query: last("short connections") },
      { head: "CPU of one, µs", query: last("CPU of short connections") },
      { head: "questions a second", query: last("keep-alive") },
      { head: "CPU of one, µs", query: last("CPU of keep-alive") },
    ],
  },
  {
    title: "The proxies",
    columns: [
      { head: "endpoint change p50, ms", query: control("endpoint change") },
      { head: "p99, ms", query: control("endpoint change"), statistic: "p99" },
      { head: "CPU of one, ms", query: control("CPU of an endpoint change") },
      { head: "cold start, s", query: control("cold start") },
      { head: "its CPU, s", query: control("CPU of cold start") },
      { head: "RSS, MB", query: control("RSS") },
      { head: "map memory, MB", query: control("map memory") },
    ],
  },
  {
    title: "The same objects from an API server and replayed",
    columns: [
      { head: "frontends", query: sources("frontends") },
      { head: "backends", query: sources("backends") },
      { head: "endpoints", query: sources("endpoints") },
      { head: "cold start, s", query: sources("cold start") },
      { head: "its CPU, s", query: sources("CPU of cold start") },
      { head: "endpoint change p50, ms", query: sources("endpoint change") },
      { head: "p99, ms", query: sources("endpoint change"), statistic: "p99" },
      { head: "CPU of one, ms", query: sources("CPU of an endpoint change") },
      { head: "RSS, MB", query: sources("RSS") },
    ],
  },
];

/** Only tables that have a row. */
export function costTables(results: Results): CostTable[] {
  return tables.flatMap(({ title, columns }) => {
    const all = columns.flatMap(({ query }) => select(results, query));
    const subjects = [...new Set(all.map(({ services, setup }) => JSON.stringify([services, setup])))];
    const rows = subjects
      .map((subject) => JSON.parse(subject) as [number, string])
      .sort(([a], [b]) => a - b)
      .map(([services, setup]) => [
        services,
        setup,
        ...columns.map(
          ({ query, statistic }) => find(results, { ...query, services, setup })?.summary[statistic ?? "median"] ?? "",
        ),
      ]);
    return rows.length === 0 ? [] : [{ title, head: ["Services", "setup", ...columns.map(({ head }) => head)], rows }];
  });
}
