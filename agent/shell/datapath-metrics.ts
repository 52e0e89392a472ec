// SPDX-License-Identifier: Apache-2.0
// What the kernel is asked at each scrape: events and drops that the programs counted, and how full the maps are.

import type { MapUsage } from "./kernel/map-census.ts";
import { Counter, Gauge, type Registry } from "./prometheus.ts";

export interface DatapathReadings {
  /** By the names of agent/maps/counters.ts, since the programs were first loaded. */
  counters(): Readonly<Record<string, bigint>>;
  mapUsage(): ReadonlyMap<string, MapUsage>;
}

/** Where an event was counted. What has no prefix is of packets, which both the programs at tc and at XDP translate. */
const PATHS = ["socket", "xdp", "tc"] as const;
const OF_SOCKETS = ["bind_refused"];

/** `socket_refused` is an event of path `socket`, `refused` one of path `packet`. */
function eventOf(counter: string): { path: string; event: string } {
  const path = PATHS.find((prefix) => counter.startsWith(`${prefix}_`));
  if (path) return { path, event: counter.slice(path.length + 1) };
  return { path: OF_SOCKETS.includes(counter) ? "socket" : "packet", event: counter };
}

const DROP = "drop_";

export function registerDatapathMetrics(registry: Registry, datapath: DatapathReadings): void {
  const registers = [registry];
  new Counter({
    name: "sansproxy_datapath_events_total",
    help: "What the programs in the kernel did, by path: at sockets, or with packets",
    labelNames: ["path", "event"],
    registers,
    collect() {
      this.reset();
      for (const [name, count] of Object.entries(datapath.counters()))
        if (!name.startsWith(DROP)) this.inc(eventOf(name), Number(count));
    },
  });
  new Counter({
    name: "sansproxy_datapath_dropped_packets_total",
    help: "Packets that the programs in the kernel dropped",
    labelNames: ["reason"],
    registers,
    collect() {
      this.reset();
      for (const [name, count] of Object.entries(datapath.counters()))
        if (name.startsWith(DROP)) this.inc({ reason: name.slice(DROP.length) }, Number(count));
    },
  });
  const gauge = (name: string, help: string, value: (usage: MapUsage) => number | undefined) =>
    new Gauge({
      ...{ name, help, labelNames: ["map"], registers },
      collect() {
        for (const [map, usage] of datapath.mapUsage()) {
          const now = value(usage);
          if (now !== undefined) this.set({ map }, now);
        }
      },
    });
  gauge("sansproxy_map_entries", "Entries in use of a map", ({ entries }) => entries);
  gauge("sansproxy_map_capacity", "Entries that a map can hold", ({ capacity }) => capacity);
  gauge("sansproxy_map_memory_bytes", "Kernel memory of a map", ({ bytes }) => bytes);
}
