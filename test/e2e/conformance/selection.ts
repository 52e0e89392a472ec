// SPDX-License-Identifier: Apache-2.0
// Says which of Kubernetes' own tests are about Services, and which of them a run is asked for.
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
/** Only a cluster with two families of addresses can run these. */
const dualStackGroup = "[Feature:IPv6DualStack] ";
const network = "[sig-network] ";

export interface Request {
  /** Regular expression over whole names; without it, every test of the groups above. */
  readonly focus?: RegExp | undefined;
  readonly conformance: boolean;
  readonly dualStack: boolean;
}

export interface Selection {
  /** Tests to run side by side. */
  readonly parallel: readonly string[];
  /** Tests that change what others stand on: one at a time, after all the others. */
  readonly serial: readonly string[];
  /** Selected tests that cannot run here, with the reason. */
  readonly notPossible: readonly { readonly name: string; readonly reason: string }[];
}

/** The names to run out of all that the suite has; every name on the list of impossible ones has to exist. */
export function select(all: readonly string[], request: Request): Selection {
  const known = new Set(all);
  const stale = Object.keys(notPossibleHere).filter((name) => !known.has(name));
  if (stale.length > 0) {
    throw new Error(`not-possible-here.ts names tests that this suite does not have: ${stale.join("; ")}`);
  }
  const chosen = all.filter((name) => isWanted(name, request)).sort();
  const possible = chosen.filter((name) => !Object.hasOwn(notPossibleHere, name));
  return {
    parallel: possible.filter((name) => !isSerial(name)),
    serial: possible.filter(isSerial),
    notPossible: Object.entries(notPossibleHere)
      .filter(([name]) => chosen.includes(name))
      .map(([name, reason]) => ({ name, reason })),
  };
}

function isWanted(name: string, { focus, conformance, dualStack }: Request): boolean {
  if (!name.startsWith(network)) return false;
  if (conformance && !name.includes("[Conformance]")) return false;
  if (focus !== undefined) return focus.test(name);
  const rest = name.slice(network.length);
  return groups.some((group) => rest.startsWith(group)) || (dualStack && rest.startsWith(dualStackGroup));
}

const isSerial = (name: string): boolean => /\[(Serial|Disruptive)\]/.test(name);
