// SPDX-License-Identifier: Apache-2.0
// The agent's Prometheus metrics: what is served, how full the maps are, what failed, and what the programs counted.

import { registerProcessMetrics } from "./process-metrics.ts";
import { Counter, Gauge, Histogram, Registry } from "./prometheus.ts";

const SYNC_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class Metrics {
  readonly registry = new Registry();
  readonly services = this.#gauge("sansproxy_services", "Services served");
  readonly frontends = this.#gauge("sansproxy_frontends", "Frontends served");
  readonly endpoints = this.#gauge("sansproxy_endpoints", "Distinct endpoints that can be selected");
  readonly problems = this.#gauge("sansproxy_service_problems", "Services not served as asked", ["reason"]);
  readonly mapEntries = this.#gauge("sansproxy_map_entries", "Entries in use of a map", ["map"]);
  readonly mapCapacity = this.#gauge("sansproxy_map_capacity", "Entries that a map can hold", ["map"]);
  readonly pendingWrites = this.#gauge("sansproxy_pending_writes", "Writes that have not reached the kernel yet");
  readonly ready = this.#gauge("sansproxy_ready", "1 when the first full sync is in the kernel");
  readonly lastSync = this.#gauge("sansproxy_last_sync_timestamp_seconds", "When all that was known was in the kernel");
  readonly writes = this.#counter("sansproxy_writes_total", "Writes carried out", ["operation"]);
  readonly failedWrites = this.#counter("sansproxy_failed_writes_total", "Writes the kernel refused", ["reason"]);
  readonly drift = this.#counter("sansproxy_drift_repaired_total", "Entries found changed by others", ["map"]);
  readonly releasedSockets = this.#counter(
    "sansproxy_released_sockets_total",
    "Connected UDP sockets let go because their backend has gone",
    [],
  );
  readonly failedGrowths = this.#counter("sansproxy_failed_map_growths_total", "Times that maps could not grow", []);
  readonly watchRestarts = this.#counter("sansproxy_watch_restarts_total", "Watches begun again", ["kind", "reason"]);
  readonly syncDuration = new Histogram({
    name: "sansproxy_sync_duration_seconds",
    help: "Time from the start of a sync to its last write",
    buckets: SYNC_BUCKETS_SECONDS,
    registers: [this.registry],
  });

  /** `datapathCounters` reads what the programs counted; asked at each scrape. */
  constructor(datapathCounters: () => Readonly<Record<string, bigint>>) {
    registerProcessMetrics(this.registry);
    new Gauge({
      name: "sansproxy_datapath_events",
      help: "Events that the programs in the kernel counted, since they were first loaded",
      labelNames: ["reason"],
      registers: [this.registry],
      collect() {
        for (const [reason, count] of Object.entries(datapathCounters())) this.set({ reason }, Number(count));
      },
    });
  }

  #gauge<L extends string>(name: string, help: string, labelNames: L[] = []): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }
}
