// SPDX-License-Identifier: Apache-2.0
// What the chart asks Prometheus: the query of each dashboard panel, the expression of each alert, and the metrics they name.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const FILES = join(import.meta.dirname, "../../agent/chart/files");

export interface Query {
  /** Panel and query, or alert. */
  readonly name: string;
  readonly expr: string;
}

export interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
  }[];
}

export interface AlertGroups {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

export const panelQueries = ({ panels }: Dashboard): Query[] =>
  panels.flatMap(({ title, targets }) =>
    (targets ?? []).map(({ refId, expr }) => ({ name: `${title} ${refId}`, expr })),
  );

export const alertQueries = ({ groups }: AlertGroups): Query[] =>
  groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ name: alert, expr })));

/** All of them, from the chart's own files. */
export const chartQueries = (): Query[] => [
  ...panelQueries(JSON.parse(readFileSync(join(FILES, "dashboard.json"), "utf8")) as Dashboard),
  ...alertQueries(parse(readFileSync(join(FILES, "alerts.yaml"), "utf8")) as AlertGroups),
];

/** The agent's metrics in an expression; what Prometheus makes itself, `up` and `ALERTS`, is not among them. */
export const metricNames = (expr: string): string[] => [
  ...new Set(expr.replace(/\{[^}]*\}/g, "").match(/\b(?:sansproxy|kubeproxy|process|nodejs)_[a-z0-9_]+/g) ?? []),
];

/** The names of a scrape's samples. */
export const sampleNames = (text: string): Set<string> =>
  new Set([...text.matchAll(/^([a-z][a-z0-9_]*)[{ ]/gm)].map(([, name]) => name ?? ""));
