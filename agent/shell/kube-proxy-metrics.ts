// SPDX-License-Identifier: Apache-2.0
// kube-proxy's metrics where ours mean the same, so that its dashboards and ClusterLoader2 read the agent; no label ip_family: one sync is for both.

import type { Changes } from "./change-log.ts";
import { Counter, Gauge, Histogram, type Registry } from "./prometheus.ts";

const range = (first: number, step: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + step * index);

/** kube-proxy's buckets, to the last one. */
const SYNC_BUCKETS = range(0, 1, 15).map((power) => 0.001 * 2 ** power);
const PROGRAMMING_BUCKETS = [...range(0.25, 0.25, 2), ...range(1, 1, 59), ...range(60, 5, 12), ...range(120, 30, 7)];

export class KubeProxyMetrics {
  readonly #startedAt: number;
  readonly #syncDuration: Histogram;
  readonly #fullSyncDuration: Histogram;
  readonly #partialSyncDuration: Histogram;
  readonly #programmingDuration: Histogram;
  readonly #lastSync: Gauge;
  #queuedAtMs = 0;
  readonly #endpointChanges: Counter;
  readonly #serviceChanges: Counter;

  /** `pending` is asked at each scrape. */
  constructor(registry: Registry, pending: () => { readonly services: number; readonly slices: number }) {
    this.#startedAt = Date.now();
    const registers = [registry];
    const histogram = (name: string, help: string, buckets: number[]) =>
      new Histogram({ name: `kubeproxy_${name}`, help, buckets, registers });
    const gauge = (name: string, help: string, value?: () => number) =>
      new Gauge({
        ...{ name: `kubeproxy_${name}`, help, registers },
        ...(value && {
          collect() {
            this.set(value());
          },
        }),
      });
    const counter = (name: string, help: string) => new Counter({ name: `kubeproxy_${name}`, help, registers });
    this.#syncDuration = histogram("sync_proxy_rules_duration_seconds", "Time of a sync", SYNC_BUCKETS);
    this.#fullSyncDuration = histogram(
      "sync_full_proxy_rules_duration_seconds",
      "Time of a sync of everything",
      SYNC_BUCKETS,
    );
    this.#partialSyncDuration = histogram(
      "sync_partial_proxy_rules_duration_seconds",
      "Time of a sync of changed endpoints alone",
      SYNC_BUCKETS,
    );
    this.#programmingDuration = histogram(
      "network_programming_duration_seconds",
      "Time from the change of a Pod or Service that changed an EndpointSlice until it is in the kernel",
      PROGRAMMING_BUCKETS,
    );
    this.#lastSync = gauge("sync_proxy_rules_last_timestamp_seconds", "When a sync last succeeded");
    gauge(
      "sync_proxy_rules_last_queued_timestamp_seconds",
      "When a sync was last asked for",
      () => this.#queuedAtMs / 1000,
    );
    this.#endpointChanges = counter("sync_proxy_rules_endpoint_changes_total", "Changes of EndpointSlices seen");
    this.#serviceChanges = counter("sync_proxy_rules_service_changes_total", "Changes of Services seen");
    gauge("sync_proxy_rules_endpoint_changes_pending", "Changes of EndpointSlices not synced", () => pending().slices);
    gauge("sync_proxy_rules_service_changes_pending", "Changes of Services not synced", () => pending().services);
  }

  queued(): void {
    this.#queuedAtMs = Date.now();
  }

  /** A sync has ended. `whole`: it looked at everything. */
  synced(changes: Changes, { seconds, whole, ok }: { seconds: number; whole: boolean; ok: boolean }): void {
    this.#syncDuration.observe(seconds);
    (whole ? this.#fullSyncDuration : this.#partialSyncDuration).observe(seconds);
    this.#endpointChanges.inc(changes.sliceChanges);
    this.#serviceChanges.inc(changes.serviceChanges);
    if (!ok) return;
    this.#lastSync.setToCurrentTime();
    const now = Date.now();
    // What had happened before we came says nothing about us.
    for (const triggeredAt of changes.triggeredAt)
      if (triggeredAt > this.#startedAt) this.#programmingDuration.observe((now - triggeredAt) / 1000);
  }
}

/** Which health question was answered; kube-proxy counts the two apart. */
export type HealthQuestion = "healthz" | "livez";

/** Counts answers by status, as kube-proxy does. */
export function countHealthAnswers(registry: Registry): (question: HealthQuestion, status: number) => void {
  const counter = (question: HealthQuestion) => {
    const answers = new Counter({
      name: `kubeproxy_proxy_${question}_total`,
      help: `Answers to /${question} by status`,
      labelNames: ["code"],
      registers: [registry],
    });
    for (const code of [200, 503]) answers.inc({ code }, 0);
    return answers;
  };
  const counters = { healthz: counter("healthz"), livez: counter("livez") };
  return (question, status) => counters[question].inc({ code: status });
}
