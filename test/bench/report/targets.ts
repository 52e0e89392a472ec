// SPDX-License-Identifier: Apache-2.0
// The project's performance targets, each judged from the measurements of one run; what was not measured is said so.
import { find, type Measurement, type Query, type Results, ratioOf, select } from "../results.ts";
import { pairedRatio } from "../statistics.ts";
import { lossRows } from "./losses.ts";

export type Status = "met" | "missed" | "not measured";

export interface Verdict {
  readonly id: string;
  readonly target: string;
  readonly status: Status;
  /** The figures behind the verdict, losses too. */
  readonly measured: string;
  readonly findings: readonly Finding[];
}

export interface Finding {
  readonly met: boolean;
  readonly says: string;
}

interface Target {
  readonly id: string;
  readonly target: string;
  /** One finding for each part that was measured. */
  readonly judge: (results: Results) => Finding[];
}

const number = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** At most so many units at every size from `services` on. */
function atMost(
  what: string,
  limit: number,
  query: Query,
  value: (one: Measurement) => number = medianOf,
): Target["judge"] {
  return (results) =>
    select(results, query).map((one) => ({
      met: value(one) <= limit,
      says: `${what} at ${one.services} Services: ${number(value(one))} ${one.unit} (at most ${limit})`,
    }));
}

const medianOf = ({ summary }: Measurement): number => summary.median;
const p99Of = ({ summary }: Measurement): number => summary.p99;

/** What a size costs more than 100 Services. */
function growth(query: Query, limits: Readonly<Record<number, number>>): Target["judge"] {
  return (results) => {
    const small = find(results, { ...query, services: 100 });
    return Object.entries(limits).flatMap(([services, limit]) => {
      const large = find(results, { ...query, services: Number(services) });
      if (small === undefined || large === undefined) return [];
      const more = large.summary.median - small.summary.median;
      return [{ met: more <= limit, says: `${services} − 100 Services: ${number(more)} ns (at most ${limit})` }];
    });
  };
}

/** How many times as good as another setup, in the same rounds. */
function times(query: Query, ours: string, others: readonly string[], least: number): Target["judge"] {
  return (results) =>
    select(results, { ...query, setup: ours }).flatMap((one) => {
      const { services, what } = one;
      return others.flatMap((setup) => {
        const other = find(results, {
          ...query,
          what,
          services,
          setup,
          ...(one.position && { position: one.position }),
        });
        if (other === undefined) return [];
        const { median, low, high } = one.better === "more" ? ratioOf(one, other) : ratioOf(other, one);
        const range = `${median.toFixed(2)} [${low.toFixed(2)}–${high.toFixed(2)}]`;
        return [
          { met: median >= least, says: `${what}, ${services} Services, ${setup}: ${range} (at least ${least})` },
        ];
      });
    });
}

/** The same of what is left of a packet's time when that of the generator alone is taken away. */
function netTimes(query: Query, ours: string, others: readonly string[], least: number): Target["judge"] {
  const nanoseconds = (one: Measurement) => one.rounds.map((mpps) => 1e3 / mpps);
  return (results) => {
    const [one, generator] = [ours, "generator"].map((setup) => find(results, { ...query, setup }));
    if (one === undefined || generator === undefined) return [];
    const net = (of: Measurement) =>
      nanoseconds(of).map((whole, round) => whole - (nanoseconds(generator)[round] ?? Number.NaN));
    return others.flatMap((setup) => {
      const other = find(results, { ...query, setup });
      if (other === undefined) return [];
      const { median, low, high } = pairedRatio(net(other), net(one));
      const range = `${median.toFixed(2)} [${low.toFixed(2)}–${high.toFixed(2)}]`;
      const says = `${one.what}, ${one.services} Services, ${setup}, net of the generator: ${range} (at least ${least})`;
      return [{ met: median >= least, says }];
    });
  };
}

function flatConnect(results: Results): Finding[] {
  const query = { suite: "connect", what: "connect", setup: "ours (socket)", position: "last" };
  const sizes = select(results, query).sort((a, b) => a.services - b.services);
  const small = sizes.find(({ services }) => services >= 100);
  const large = sizes.at(-1);
  const findings: Finding[] = [];
  if (small !== undefined && large !== undefined && large.services > small.services) {
    for (const [name, value] of [["p50", medianOf] as const, ["p99", p99Of] as const]) {
      const ratio = value(large) / value(small);
      const says = `${name} at ${large.services} to ${small.services} Services: ${ratio.toFixed(3)} (at most 1.05)`;
      findings.push({ met: ratio <= 1.05, says });
    }
  }
  for (const one of sizes) {
    const none = find(results, { ...query, services: one.services, setup: "none" });
    const again = find(results, { ...query, services: one.services, setup: "none-again" });
    if (none === undefined) continue;
    const { median } = ratioOf(one, none);
    const noise = again === undefined ? "" : `, nobody again to nobody ${ratioOf(again, none).median.toFixed(3)}`;
    const says = `to no load balancer at ${one.services} Services: ${median.toFixed(3)} (at most 1.02${noise})`;
    findings.push({ met: median <= 1.02, says });
  }
  return findings;
}

const established: Query = { suite: "forwarding", what: "established" };
const kubeProxies = ["iptables", "nftables"];
const program = (what: string, services?: number): Query => ({
  suite: "programs",
  what,
  ...(services === undefined ? {} : { services }),
});
const control = (what: string, services: number): Query => ({ suite: "control", what, setup: "ours", services });
const all =
  (...judges: Target["judge"][]): Target["judge"] =>
  (results) =>
    judges.flatMap((judge) => judge(results));

/** We lose nothing of what nobody could have been slow about: an endpoint that is gone at once is gone before anyone hears of it. */
const lossless: Target["judge"] = (results) =>
  lossRows(results)
    .filter(({ setup, disturbance }) => setup.startsWith("ours") && !disturbance.endsWith("at once"))
    .map(({ setup, disturbance, services, failed, connections, broken, longConnections }) => ({
      met: failed === 0 && broken === 0,
      says:
        `${setup}, ${disturbance}, ${services} Services: ${failed} of ${connections} new connections failed, ` +
        `${broken} of ${longConnections} long ones broke (none)`,
    }));

const smallSizes =
  (judge: Target["judge"]): Target["judge"] =>
  (results) =>
    judge({ ...results, measurements: results.measurements.filter(({ services }) => services <= 100) });

export const targets: readonly Target[] = [
  {
    id: "P1",
    target: "connect() is flat from 100 to 100,000 Services, within 2 % of no load balancer",
    judge: flatConnect,
  },
  {
    id: "P2",
    target: "service look-up: +15 ns at 10k, +100 ns at 100k Services over 100",
    judge: growth(program("look-up"), { 10000: 15, 100000: 100 }),
  },
  {
    id: "P3",
    target: "established packet, 10k Services, 40k flows: 120 ns net",
    judge: atMost("established", 120, program("established, backend here", 10_000)),
  },
  {
    id: "P4",
    target: "new flow: 350 ns net; Maglev without state: 120 ns",
    judge: all(
      atMost("new flow", 350, program("new flow, backend here", 10_000)),
      // It has state: the node that is asked keeps an entry, so that no changed table moves a connection.
      atMost("Maglev, with state", 120, program("new flow NodePort, Maglev, handed over", 10_000)),
    ),
  },
  {
    id: "P5",
    // nftables mode does not load 10k Services in time.
    target: "XDP forwarding, 10k Services: 5 times iptables and nftables (1k) gross, 10 times net of the generator",
    judge: all(
      ...([[10_000, "iptables"] as const, [1_000, "nftables"] as const] as const).flatMap(([services, rival]) => [
        times({ ...established, services }, "ours (xdp)", [rival], 5),
        netTimes({ ...established, services }, "ours (xdp)", [rival], 10),
      ]),
    ),
  },
  {
    id: "P6",
    target: "new flows, worst-placed Service: 80 times iptables at 10k, 6 times nftables at 1k",
    judge: all(
      times({ suite: "forwarding", what: "new flows", services: 10_000 }, "ours (xdp)", ["iptables"], 80),
      times({ suite: "forwarding", what: "new flows", services: 1_000 }, "ours (xdp)", ["nftables"], 6),
    ),
  },
  {
    id: "P7",
    target: "1, 10, 100 Services: short connections and keep-alive at least as kube-proxy",
    judge: smallSizes(
      all(
        times({ suite: "connect", what: "short connections" }, "ours (socket)", kubeProxies, 1),
        times({ suite: "connect", what: "keep-alive" }, "ours (socket)", kubeProxies, 1),
      ),
    ),
  },
  {
    id: "P8",
    target: "one endpoint change to the first packet steered, 10k × 100k: p50 1 ms, p99 5 ms",
    judge: all(
      atMost("p50", 1, control("endpoint change", 10_000)),
      atMost("p99", 5, control("endpoint change", 10_000), p99Of),
    ),
  },
  {
    id: "P9",
    target: "cold start, 10k × 100k: 1.5 s, of which 60 ms for the kernel",
    judge: all(
      atMost("cold start", 1.5, control("cold start", 10_000)),
      atMost("kernel part", 60, control("kernel part of cold start", 10_000)),
    ),
  },
  {
    id: "P10",
    target: "50k × 500k works: 8 s cold, 900 MB",
    judge: all(atMost("cold start", 8, control("cold start", 50_000)), atMost("RSS", 900, control("RSS", 50_000))),
  },
  {
    id: "P11",
    target: "RSS: idle 60 MB, 10k × 100k 150 MB, 30k × 120k 300 MB",
    judge: all(
      atMost("idle RSS", 60, control("RSS", 1)),
      atMost("RSS", 150, control("RSS", 10_000)),
      // That suite's Services have four endpoints each.
      atMost("RSS", 300, { suite: "connect", what: "RSS of the proxy", setup: "ours", services: 30_000 }),
    ),
  },
  {
    id: "P12",
    target: "1,000 endpoint changes a second at 10k Services: 15 % of a core, no backlog",
    judge: all(
      atMost("share of a core", 0.15, control("CPU at 1,000 changes a second", 10_000)),
      // With nothing before it in a queue, the next change is steered as fast as any.
      atMost("the next change after it", 5, control("backlog after churn", 10_000)),
    ),
  },
  {
    id: "P13",
    target: "longest stall while programming: 5 ms",
    judge: all(
      ...["stall of cold start", "stall under churn"].map((what) =>
        atMost(what, 5, control(what, 10_000), ({ summary }) => summary.max),
      ),
    ),
  },
  {
    id: "R1",
    target: "agent killed and started, and endpoints changing: no new connection fails, no long one breaks",
    judge: lossless,
  },
];

export function judge(results: Results): Verdict[] {
  return targets.map(({ id, target, judge: find_ }) => {
    const findings = find_(results);
    const status = findings.length === 0 ? "not measured" : findings.every(({ met }) => met) ? "met" : "missed";
    const measured = findings.map(({ met, says }) => (met ? says : `${says}: missed`)).join("; ");
    return { id, target, status, measured, findings };
  });
}

export const verdictText = (verdicts: readonly Verdict[]): string =>
  verdicts
    .map(({ id, target, status, measured }) => {
      const mark = { met: "✓", missed: "✗", "not measured": "·" }[status];
      return `${mark} ${id.padEnd(4)} ${target}${measured === "" ? "" : `\n       ${measured.replaceAll("; ", "\n       ")}`}\n`;
    })
    .join("");
