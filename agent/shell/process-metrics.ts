// SPDX-License-Identifier: Apache-2.0
// What Prometheus' dashboards ask of any process: memory, CPU time and start, read when they are asked for and at no other time.

import { Counter, Gauge, type Registry } from "./prometheus.ts";

/** Of prom-client's own, which watch the event loop and each collection of garbage all the time, these are in use. */
export function registerProcessMetrics(registry: Registry): void {
  const registers = [registry];
  new Gauge({
    ...{ name: "process_resident_memory_bytes", help: "Resident memory size in bytes", registers },
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    ...{ name: "nodejs_heap_size_used_bytes", help: "Memory that objects take", registers },
    collect() {
      this.set(process.memoryUsage().heapUsed);
    },
  });
  const started = new Gauge({
    ...{ name: "process_start_time_seconds", help: "Start time of the process since unix epoch", registers },
  });
  started.set(Math.round(Date.now() / 1000 - process.uptime()));
  new Counter({
    ...{ name: "process_cpu_seconds_total", help: "Total user and system CPU time spent", registers },
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
}
