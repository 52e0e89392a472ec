// SPDX-License-Identifier: Apache-2.0
// The project's performance targets, each judged from the measurements of one run; what was not measured is said so.
import type { Query, Results } from "../results.ts";
import {
  all,
  atMost,
  type Finding,
  flatConnect,
  growth,
  type Judge,
  lossless,
  netTimes,
  p99Of,
  type SizedQuery,
  times,
} from "./judging.ts";

export type Status = "met" | "missed" | "not measured";

export interface Verdict {
  readonly id: string;
  readonly target: string;
  readonly status: Status;
  /** The figures behind the verdict, losses too. */
  readonly measured: string;
  readonly findings: readonly Finding[];
}

interface Target {
  readonly id: string;
  readonly target: string;
  readonly judge: Judge;
}

const kubeProxies = ["iptables", "nftables"];
const SMALL = [1, 10, 100];
const program = (what: string): Query => ({ suite: "programs", what });
const control = (what: string, services: number): SizedQuery => ({ suite: "control", what, setup: "ours", services });
const forwarding = (what: string, services: number): SizedQuery => ({ suite: "forwarding", what, services });
const connect = (what: string, services: number): SizedQuery => ({ suite: "connect", what, services });

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
    judge: atMost("established", 120, { ...program("established, backend here"), services: 10_000 }),
  },
  {
    id: "P4",
    target: "new flow: 350 ns net; Maglev without state: 120 ns",
    judge: all(
      atMost("new flow", 350, { ...program("new flow, backend here"), services: 10_000 }),
      // It has state: the node that is asked keeps an entry, so that no changed table moves a connection.
      atMost("Maglev, with state", 120, { ...program("new flow NodePort, Maglev, handed over"), services: 10_000 }),
    ),
  },
  {
    id: "P5",
    // nftables mode does not load 10k Services in time.
    target: "XDP forwarding, 10k Services: 5 times iptables and nftables (1k) gross, 10 times net of the generator",
    judge: all(
      ...([[10_000, "iptables"] as const, [1_000, "nftables"] as const] as const).flatMap(([services, rival]) => [
        times(forwarding("established", services), "ours (xdp)", rival, 5),
        netTimes(forwarding("established", services), "ours (xdp)", rival, 10),
      ]),
    ),
  },
  {
    id: "P6",
    target: "new flows, worst-placed Service: 80 times iptables at 10k, 6 times nftables at 1k",
    judge: all(
      times(forwarding("new flows", 10_000), "ours (xdp)", "iptables", 80),
      times(forwarding("new flows", 1_000), "ours (xdp)", "nftables", 6),
    ),
  },
  {
    id: "P7",
    target: "1, 10, 100 Services: short connections and keep-alive at least as kube-proxy",
    judge: all(
      ...["short connections", "keep-alive"].flatMap((what) =>
        SMALL.flatMap((services) =>
          kubeProxies.map((rival) => times(connect(what, services), "ours (socket)", rival, 1)),
        ),
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
      // Nobody says it: the agent tells how long it writes, and not how long maps are made and programs loaded.
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
      atMost("backlog", 0, control("backlog of churn", 10_000), ({ summary }) => summary.max),
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

/** Missed as soon as a part is, and met only with all parts. */
function statusOf(findings: readonly Finding[]): Status {
  if (findings.some(({ met }) => met === false)) return "missed";
  return findings.length > 0 && findings.every(({ met }) => met) ? "met" : "not measured";
}

const saidOf = ({ met, says }: Finding): string =>
  met === undefined ? `${says}: not measured` : met ? says : `${says}: missed`;

export function judge(results: Results): Verdict[] {
  return targets.map(({ id, target, judge: findingsOf }) => {
    const all = findingsOf(results);
    // Of what was not looked at at all, no part is named.
    const findings = all.every(({ met }) => met === undefined) ? [] : all;
    return { id, target, status: statusOf(findings), measured: findings.map(saidOf).join("; "), findings };
  });
}

export const verdictText = (verdicts: readonly Verdict[]): string =>
  verdicts
    .map(({ id, target, status, measured }) => {
      const mark = { met: "✓", missed: "✗", "not measured": "·" }[status];
      return `${mark} ${id.padEnd(4)} ${target}${measured === "" ? "" : `\n       ${measured.replaceAll("; ", "\n       ")}`}\n`;
    })
    .join("");
