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
import type { Reconciler } from "./reconciler.ts";
import { mapUsage } from "./sync-status.ts";

export interface StateSources {
  readonly nodeName: string;
  readonly kernel: Pick<Kernel, "capacity" | "counters"> & { readonly acceleration: AccelerationState };
  readonly reconciler: Pick<Reconciler, "status" | "account">;
  readonly snapshot: () => Snapshot;
  readonly network: (snapshot: Snapshot) => NodeNetwork | undefined;
  readonly balancing: LoadBalancing;
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

function overview({ nodeName, kernel, reconciler, snapshot, network, devices }: StateSources): object {
  const { mirror, drift, problems } = reconciler.account();
  const { capacity } = kernel;
  const used = mapUsage(mirror);
  const maps = (Object.keys(used) as (keyof typeof used)[]).map((map) => ({
    ...{ map, used: used[map], capacity: capacity[map] },
  }));
  const facts = network(snapshot());
  const cidrs = facts?.nodePortCidrs ?? [];
  return {
    ...{ node: nodeName, kubeProxyReplacement: true, ...reconciler.status() },
    network: facts && {
      ...{ socketLb: facts.socketLb, masquerade: facts.masquerade, masqueradeAddresses: facts.masqueradeAddresses },
      ...{ nodeAddresses: facts.nodeAddresses, nodePortRange: facts.nodePortRange, devices: devices() },
      ...{ nodePortAddresses: nodePortAddresses(facts.nodeAddresses, cidrs), nodePortCidrs: cidrs },
    },
    ...{ acceleration: kernel.acceleration, maps, drift, problems },
    counters: Object.fromEntries(Object.entries(kernel.counters()).map(([name, count]) => [name, Number(count)])),
  };
}

function serviceList({ nodeName, snapshot, network }: StateSources): object[] {
  const now = snapshot();
  return desiredState(now, nodeName, network(now)).services.map((service) => ({
    name: service.name,
    frontends: service.frontends.map(({ key, scope, selection, externalSelection }) => {
      const count = (name: string) => service.selections.find((each) => each.key === name)?.backends.length ?? 0;
      return { id: frontendId(key), ...key, scope, inside: count(selection), outside: count(externalSelection) };
    }),
  }));
}
