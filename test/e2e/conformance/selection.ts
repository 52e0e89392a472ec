// SPDX-License-Identifier: Apache-2.0
// Says which of Kubernetes' own tests are about Services, and which of them a run is asked for.
import type { ClusterShape } from "./cluster-fit.ts";
import { neededWorkers } from "./needed-workers.ts";
import { notPossibleHere } from "./not-possible-here.ts";

/** What each selected name begins with after `[sig-network] `. A Service proxy has to pass all of these. */
const groups: readonly string[] = [
  "API Server ",
  "Connectivity Pod Lifecycle ",
  "Conntrack ",
  "DNS ",
  "EndpointSlice ",
  "EndpointSliceMirroring ",
  "Endpoints ",
  "EndpointsController ",
  "HostPort ",
  "KubeProxy ",
  "LoadBalancers ",
  "Networking Granular Checks: ",
  "Networking IPerf2 ",
  "Networking should ",
  "NoSNAT ",
  "Proxy version v1 ",
  "Service CIDRs ",
  "Service endpoints latency ",
  "Services ",
  "Topology Hints ",
  "Traffic Distribution ",
];
/** Only a cluster with both families of addresses can run these. */
const dualStackGroup = "[Feature:IPv6DualStack] ";
const network = "[sig-network] ";

export interface Request {
  /** Regular expression over whole names; without it, every test of the groups above. */
  readonly focus?: RegExp | undefined;
  readonly conformance: boolean;
  readonly cluster: ClusterShape;
}

export interface Selection {
  /** Tests to run side by side. */
  readonly parallel: readonly string[];
  /** Tests that change what others stand on: one at a time, after all the others. */
  readonly serial: readonly string[];
  /** Selected tests that cannot run on this box or this cluster, with the reason. */
  readonly notPossible: readonly { readonly name: string; readonly reason: string }[];
}

/** The names to run out of all that the suite has; every name on the lists of special ones has to exist. */
export function select(all: readonly string[], request: Request): Selection {
  const known = new Set(all);
  for (const [file, list] of Object.entries({
    "not-possible-here": notPossibleHere,
    "needed-workers": neededWorkers,
  })) {
    const stale = Object.keys(list).filter((name) => !known.has(name));
    if (stale.length > 0) throw new Error(`${file}.ts names tests that this suite does not have: ${stale.join("; ")}`);
  }
  const chosen = all.filter((name) => isWanted(name, request)).sort();
  const notPossible = chosen.flatMap((name) => {
    const reason = obstacle(name, request.cluster);
    return reason === undefined ? [] : [{ name, reason }];
  });
  const left = new Set(notPossible.map(({ name }) => name));
  const possible = chosen.filter((name) => !left.has(name));
  return { parallel: possible.filter((name) => !isSerial(name)), serial: possible.filter(isSerial), notPossible };
}

/** Why a test cannot run; undefined for one that can. */
function obstacle(name: string, { workers, dualStack }: ClusterShape): string | undefined {
  const needed = neededWorkers[name] ?? 0;
  if (notPossibleHere[name] !== undefined) return notPossibleHere[name];
  if (needed > workers) return `it needs ${needed} workers, and this cluster has ${workers}`;
  if (!dualStack && name.startsWith(`${network}${dualStackGroup}`))
    return "it needs IPv4 and IPv6, and this cluster has one of them";
  return undefined;
}

function isWanted(name: string, { focus, conformance }: Request): boolean {
  if (!name.startsWith(network)) return false;
  if (conformance && !name.includes("[Conformance]")) return false;
  if (focus !== undefined) return focus.test(name);
  const rest = name.slice(network.length);
  return [...groups, dualStackGroup].some((group) => rest.startsWith(group));
}

const isSerial = (name: string): boolean => /\[(Serial|Disruptive)\]/.test(name);
