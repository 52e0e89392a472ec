// SPDX-License-Identifier: Apache-2.0
// One object set in every proxy, with its probes: what each did, held against the reference.
import { enough, judge, MOST_PACKETS, summarize } from "./judge.ts";
import { type KnownDifference, knownDifference } from "./known-differences.ts";
import { expected } from "./model.ts";
import type { Cluster } from "./objects.ts";
import type { Expected, Observed, Probe } from "./probe.ts";
import type { ProxyName, ServiceProxy } from "./proxy.ts";

export interface Finding {
  readonly proxy: ProxyName;
  readonly probe: Probe;
  readonly expected: Expected;
  readonly problem: string;
  /** How often each fate was seen. */
  readonly observed: Readonly<Record<string, number>>;
  readonly known: KnownDifference | undefined;
}

function question(proxy: ProxyName, probe: Probe, wanted: Expected, observed: Observed): Finding | undefined {
  const problem = judge(wanted, observed);
  if (problem === undefined) return undefined;
  const known = knownDifference({ proxy, probe, expected: wanted, observed });
  return { proxy, probe, expected: wanted, problem, observed: summarize(observed), known };
}

export interface Trial {
  readonly findings: readonly Finding[];
  readonly packets: number;
}

/** Loads the objects into all proxies at once, then asks one after another. */
export async function trial(
  proxies: readonly ServiceProxy[],
  cluster: Cluster,
  probes: readonly Probe[],
): Promise<Trial> {
  await Promise.all(proxies.map((proxy) => proxy.load(cluster)));
  const asked = probes.map((probe) => ({ probe, wanted: expected(cluster, probe) }));
  let packets = 0;
  const findings = proxies.flatMap((proxy) =>
    proxy.probing((prober) =>
      asked.flatMap(({ probe, wanted }) => {
        const observed = prober.ask(probe, MOST_PACKETS, (fates) => enough(wanted, fates));
        packets += observed.length;
        return question(proxy.name, probe, wanted, observed) ?? [];
      }),
    ),
  );
  return { findings, packets };
}
