// SPDX-License-Identifier: Apache-2.0
// The agent's Prometheus metrics: what is served, how full the maps are, what failed, and what the programs counted.

import type { Snapshot } from "../core/kubernetes-objects.ts";
import { type ProblemReason, problemReasons } from "../core/problem.ts";
import { type DatapathReadings, registerDatapathMetrics } from "./datapath-metrics.ts";
import { watchRestarts } from "./list-watch.ts";
import { registerProcessMetrics } from "./process-metrics.ts";
import { Counter, Gauge, Histogram, Registry } from "./prometheus.ts";

const PHASE_BUCKETS_SECONDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** A sync plans, writes to the maps, and attaches what is not attached and opens health check ports. */
export type SyncPhase = "plan" | "write" | "attach";

/** As core/drift.ts counts them, and what is attached. */
const DRIFTING = ["frontends", "selections", "extents", "backends", "source_ranges", "links"];

const WATCHED = ["services", "endpointSlices", "nodes", "pods"] as const satisfies readonly (keyof Snapshot)[];

export class Metrics {
  readonly registry = new Registry();
  readonly services = this.#gauge("sansproxy_services", "Services served");
  readonly frontends = this.#gauge("sansproxy_frontends", "Frontends served");
  readonly endpoints = this.#gauge("sansproxy_endpoints", "Distinct endpoints that can be selected");
  readonly problems = this.#gauge("sansproxy_service_problems", "Services not served as asked", ["reason"]);
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
  readonly #phaseDuration = new Histogram({
    name: "sansproxy_sync_phase_duration_seconds",
    help: "Time that a part of a sync takes",
    labelNames: ["phase"],
    buckets: PHASE_BUCKETS_SECONDS,
    registers: [this.registry],
  });

  constructor(datapath: DatapathReadings) {
    registerProcessMetrics(this.registry);
    registerDatapathMetrics(this.registry, datapath);
    // What has not happened yet counts 0: a series that begins with its first event hides that event from a rate.
    for (const map of DRIFTING) this.drift.inc({ map }, 0);
    for (const kind of WATCHED) for (const reason of watchRestarts) this.watchRestarts.inc({ kind, reason }, 0);
    this.setProblems([]);
  }

  /** `seconds` is asked at each scrape. */
  registerSyncLag(seconds: () => number): void {
    new Gauge({
      name: "sansproxy_sync_lag_seconds",
      help: "How long the oldest change that is not in the kernel yet has been waiting; 0 when none is",
      registers: [this.registry],
      collect() {
        this.set(seconds());
      },
    });
  }

  /** One for each object that is not served as asked. */
  setProblems(reasons: readonly ProblemReason[]): void {
    for (const reason of problemReasons)
      this.problems.set({ reason }, reasons.filter((each) => each === reason).length);
  }

  /** Each call ends a phase, which began with the call before. */
  phases(): (ended: SyncPhase) => void {
    let beganAt = performance.now();
    return (phase) => {
      const now = performance.now();
      this.#phaseDuration.observe({ phase }, (now - beganAt) / 1000);
      beganAt = now;
    };
  }

  #gauge<L extends string>(name: string, help: string, labelNames: L[] = []): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }
}
