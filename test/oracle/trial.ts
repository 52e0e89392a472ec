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

/** Asks a probe of a proxy until it can be judged; what is promised in place of a known difference is judged the same way. */
function question(
  proxy: ProxyName,
  probe: Probe,
  wanted: Expected,
  ask: (wanted: Expected) => Observed,
): Finding | undefined {
  const observed = ask(wanted);
  const problem = judge(wanted, observed);
  if (problem === undefined) return undefined;
  const known = knownDifference({ proxy, probe, expected: wanted, observed });
  const finding: Finding = { proxy, probe, expected: wanted, problem, observed: summarize(observed), known };
  const instead = known?.instead?.(wanted);
  return instead === undefined ? finding : (question(proxy, probe, instead, ask) ?? finding);
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
        const ask = (until: Expected): Observed => {
          const observed = prober.ask(probe, MOST_PACKETS, (fates) => enough(until, fates));
          packets += observed.length;
          return observed;
        };
        return question(proxy.name, probe, wanted, ask) ?? [];
      }),
    ),
  );
  return { findings, packets };
}
