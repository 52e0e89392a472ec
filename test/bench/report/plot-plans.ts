// SPDX-License-Identifier: Apache-2.0
// Which plots a run gives: what each panel shows, and of which measurements.
import type { Query } from "../results.ts";

export interface Panel {
  readonly title: string;
  /** Of the vertical axis: the unit. */
  readonly axis: string;
  readonly query: Query;
  readonly statistic: "median" | "p99";
  readonly scale: "log" | "linear";
}

export interface PlotPlan {
  readonly name: string;
  readonly title: string;
  readonly panels: readonly Panel[];
}

const panel = (title: string, axis: string, query: Query, changes: Partial<Panel> = {}): Panel => ({
  ...{ title, axis, query, statistic: "median", scale: "log" },
  ...changes,
});

const connect = (what: string): Query => ({ suite: "connect", what, position: "last" });
const control = (what: string): Query => ({ suite: "control", what });
const forwarding = (what: string): Query => ({ suite: "forwarding", what });
const linear = { scale: "linear" } as const;

export const plans: readonly PlotPlan[] = [
  {
    name: "latency",
    title: "connect() to the last Service: less is better",
    panels: [
      panel("median", "µs", connect("connect")),
      panel("99th percentile", "µs", connect("connect"), { statistic: "p99" }),
    ],
  },
  {
    name: "updates",
    title: "Until traffic follows a change: less is better",
    panels: [
      panel("one endpoint change, to the first connection that follows it", "ms", control("endpoint change")),
      panel("cold start, to an answer of every Service", "s", control("cold start")),
    ],
  },
  {
    name: "throughput",
    title: "Packets forwarded to the last Service, one core: more is better",
    panels: [
      panel("established flows", "million packets a second", forwarding("established")),
      panel("new flows", "million packets a second", forwarding("new flows")),
    ],
  },
  {
    name: "rates",
    title: "One client and the last Service: more is better",
    panels: [
      panel("short connections", "per second", connect("short connections"), linear),
      panel("questions on one connection", "per second", connect("keep-alive"), linear),
    ],
  },
  {
    name: "client-cpu",
    title: "CPU time of the client, with the network's work on its behalf: less is better",
    panels: [
      panel("a short connection", "µs", connect("CPU of short connections"), linear),
      panel("a question on one connection", "µs", connect("CPU of keep-alive"), linear),
    ],
  },
  {
    name: "proxy-cpu",
    title: "CPU time of the proxy: less is better",
    panels: [
      panel("one endpoint change", "ms", control("CPU of an endpoint change")),
      panel("cold start", "s", control("CPU of cold start")),
    ],
  },
  {
    name: "memory",
    title: "Memory of the proxy: less is better",
    panels: [panel("resident", "MB", control("RSS")), panel("kernel memory of the maps", "MB", control("map memory"))],
  },
  {
    name: "programs",
    title: "Packet programs, net of a program that does nothing: less is better",
    panels: [panel("", "ns a packet", { suite: "programs" })],
  },
];
