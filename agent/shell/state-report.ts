// SPDX-License-Identifier: Apache-2.0
// Answers the operator's command about this agent: its state, its Services, and one frontend explained. Reads only.

import type { AccelerationState } from "../core/acceleration.ts";
import { desiredState } from "../core/desired-state.ts";
import { explain } from "../core/explanation.ts";
import type { Snapshot } from "../core/kubernetes-objects.ts";
import type { LoadBalancing } from "../core/load-balancing.ts";
import { nodePortAddresses } from "../core/node-port-addresses.ts";
import type { Kernel, NodeNetwork } from "../core/operation.ts";
import { frontendId } from "../core/operation.ts";
import type { MapUsage } from "./kernel/map-census.ts";
import type { Reconciler } from "./reconciler.ts";
import { usageOfMaps } from "./sync-status.ts";

export interface StateSources {
  readonly nodeName: string;
  readonly kernel: Pick<Kernel, "counters"> & {
    readonly acceleration: AccelerationState;
    mapUsage(): ReadonlyMap<string, MapUsage>;
  };
  readonly reconciler: Pick<Reconciler, "status" | "account">;
  readonly snapshot: () => Snapshot;
  readonly network: (snapshot: Snapshot) => NodeNetwork | undefined;
  readonly balancing: LoadBalancing;
  readonly terminatePodConnections: boolean;
  readonly devices: () => readonly string[];
}

/** The answer to a path below `/state`, or undefined when there is none such. */
export function stateReport(sources: StateSources, path: string, query: URLSearchParams): object | undefined {
  if (path === "/state") return overview(sources);
  if (path === "/state/services") return { services: serviceList(sources) };
  if (path === "/state/explain") {
    const { mirror } = sources.reconciler.account();
    const snapshot = sources.snapshot();
    const facts = sources.network(snapshot);
    const nodePortCidrs = facts?.nodePortCidrs ?? [];
    const asked = { address: query.get("address") ?? "", port: Number(query.get("port")) };
    const { nodeName, balancing } = sources;
    const of = { ...asked, facts: facts ?? {}, nodePortCidrs, nodeName, balancing };
    return { frontends: explain(snapshot, mirror, of), nodePortCidrs };
  }
  return undefined;
}

function overview({ nodeName, kernel, reconciler, snapshot, network, devices, ...sources }: StateSources): object {
  const account = reconciler.account();
  const { drift, problems } = account;
  // Of others nobody knows what is in use.
  const maps = [...usageOfMaps(kernel.mapUsage(), account)].flatMap(([map, { entries: used, capacity }]) =>
    used === undefined ? [] : [{ map, used, capacity }],
  );
  const { mode = "snat", algorithm } = sources.balancing;
  const facts = network(snapshot());
  const cidrs = facts?.nodePortCidrs ?? [];
  return {
    ...{ node: nodeName, kubeProxyReplacement: true, ...reconciler.status() },
    network: facts && {
      ...{ socketLb: facts.socketLb, bindProtection: facts.bindProtection !== false },
      ...{ masquerade: facts.masquerade, masqueradeAddresses: facts.masqueradeAddresses },
      ...{ nodeAddresses: facts.nodeAddresses, nodePortRange: facts.nodePortRange, devices: devices() },
      ...{ nodePortAddresses: nodePortAddresses(facts.nodeAddresses, cidrs), nodePortCidrs: cidrs },
    },
    loadBalancing: { mode, algorithm },
    terminatePodConnections: sources.terminatePodConnections,
    ...{ acceleration: kernel.acceleration, maps, drift, problems },
    counters: Object.fromEntries(Object.entries(kernel.counters()).map(([name, count]) => [name, Number(count)])),
  };
}

function serviceList({ nodeName, reconciler, snapshot, network }: StateSources): object[] {
  const now = snapshot();
  const { mirror, problems } = reconciler.account();
  return desiredState(now, nodeName, network(now)).services.map((service) => ({
    name: service.name,
    problems: problems.flatMap(({ service: name, reason }) => (name === service.name ? reason : [])),
    frontends: service.frontends.map(({ key, scope, selection, externalSelection }) => {
      const count = (name: string) => service.selections.find((each) => each.key === name)?.backends.length ?? 0;
      const id = frontendId(key);
      const isServed = mirror?.frontends.has(id) ?? false;
      return { id, ...key, scope, isServed, inside: count(selection), outside: count(externalSelection) };
    }),
  }));
}
