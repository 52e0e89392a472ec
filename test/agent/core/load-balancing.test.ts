// SPDX-License-Identifier: Apache-2.0
// Proves that Services which ask for Maglev get its table in the arena, keep it over a restart, and change it when endpoints do.

import { describe, expect, test } from "vitest";
import { desiredState } from "../../../agent/core/desired-state.ts";
import { extentContents } from "../../../agent/core/extent-contents.ts";
import { GRACE_MS, KernelMirror } from "../../../agent/core/kernel-mirror.ts";
import { readEndpointSlice, readService, type Snapshot } from "../../../agent/core/kubernetes-objects.ts";
import { type LoadBalancing, returnsDirectly } from "../../../agent/core/load-balancing.ts";
import { maglevTable } from "../../../agent/core/maglev.ts";
import { backendId, type Capacity } from "../../../agent/core/operation.ts";
import { plan } from "../../../agent/core/plan.ts";
import { collection, NODE, nodes } from "./arbitrary-objects.ts";
import { ModelKernel } from "./model-kernel.ts";

const CAPACITY: Capacity = { frontends: 50, selections: 50, arena: 2048, backends: 50, sourceRanges: 10 };
const RANDOM: LoadBalancing = { algorithm: "random", maglevTableSize: 251 };
const FRONTEND = "6/10.96.0.1/80";

const cluster = (annotation: string | undefined, hosts: number[]): Snapshot => ({
  services: collection([
    readService({
      metadata: {
        ...{ namespace: "ns", name: "web" },
        annotations: annotation === undefined ? {} : { "sansproxy.io/load-balancer-algorithm": annotation },
      },
      spec: { clusterIP: "10.96.0.1", ports: [{ port: 80 }] },
    }),
  ]),
  endpointSlices: collection([
    readEndpointSlice({
      metadata: { namespace: "ns", name: "web", labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      ports: [{ name: "", protocol: "TCP", port: 8080 }],
      endpoints: hosts.map((host) => ({ addresses: [`10.244.0.${host}`] })),
    }),
  ]),
  nodes,
});

class Run {
  readonly kernel = new ModelKernel(CAPACITY);
  mirror = new KernelMirror(this.kernel.read(), 0);
  now = 0;

  sync(snapshot: Snapshot, balancing: LoadBalancing) {
    this.mirror.releaseExtents(this.now);
    const next = plan(this.mirror, desiredState(snapshot, NODE, {}, balancing), CAPACITY, this.now);
    for (const operation of next.operations) {
      expect(this.mirror.objection(operation)).toBeUndefined();
      this.kernel.apply(operation);
      this.mirror.record(operation, this.now);
    }
    this.now += GRACE_MS;
    return next;
  }

  /** What each cell of the frontend's extent leads to. */
  cells(): string[] {
    const selection = this.kernel.selections.get(this.kernel.frontends.get(FRONTEND)?.entry.selection ?? -1);
    if (!selection) throw new Error("no selection");
    const ids = [...this.kernel.arena.subarray(selection.offset, selection.offset + selection.count)];
    return ids.map((id) => {
      const backend = this.kernel.backends.get(id);
      return backend ? backendId(backend) : "absent";
    });
  }
}

const tableOf = (hosts: number[]) => {
  const names = hosts.map((host) => `6/10.244.0.${host}/8080`).sort();
  return [...maglevTable(names, 251)].map((index) => names[index]);
};

describe("a Service", () => {
  const cases: [annotation: string | undefined, by: LoadBalancing["algorithm"], cells: number, problems: number][] = [
    [undefined, "random", 3, 0],
    [undefined, "maglev", 251, 0],
    ["maglev", "random", 251, 0],
    ["random", "maglev", 3, 0],
    ["leastconn", "random", 3, 1],
  ];
  test.each(cases)(
    "that asks for %s where the default is %s gets %i cells",
    (annotation, algorithm, cells, problems) => {
      const run = new Run();
      const next = run.sync(cluster(annotation, [1, 2, 3]), { algorithm, maglevTableSize: 251 });
      expect(run.cells()).toHaveLength(cells);
      expect(next.problems).toHaveLength(problems);
      expect(run.kernel.frontends.get(FRONTEND)?.entry.algorithm).toBe(cells === 251 ? "maglev" : undefined);
    },
  );
});

test("the cells are the Maglev table, after a change of endpoints too, and a restart writes nothing", () => {
  const run = new Run();
  run.sync(cluster("maglev", [1, 2, 3]), RANDOM);
  expect(run.cells()).toEqual(tableOf([1, 2, 3]));
  run.sync(cluster("maglev", [2, 3, 4]), RANDOM);
  expect(run.cells()).toEqual(tableOf([2, 3, 4]));
  run.sync(cluster("maglev", [2, 3, 4]), RANDOM);
  run.mirror = new KernelMirror(run.kernel.read(), run.now);
  expect(run.sync(cluster("maglev", [2, 3, 4]), RANDOM).operations).toEqual([]);
});

test("a Service changes its algorithm without losing its endpoints", () => {
  const run = new Run();
  run.sync(cluster(undefined, [1, 2]), RANDOM);
  const kinds = run.sync(cluster("maglev", [1, 2]), RANDOM).operations.map(({ kind }) => kind);
  expect(kinds).toEqual(["write-extent", "flip-selection", "upsert-frontend"]);
  expect(run.cells()).toEqual(tableOf([1, 2]));
});

test("a table that others have changed is known for none", () => {
  const backends = new Map([
    [1, { address: "10.244.0.1", port: 8080, protocol: 6 as const }],
    [2, { address: "10.244.0.2", port: 8080, protocol: 6 as const }],
  ]);
  const cells = [...maglevTable(["6/10.244.0.1/8080", "6/10.244.0.2/8080"], 251)].map((index) => index + 1);
  expect(extentContents(cells, backends)).toBe("251 cells 6/10.244.0.1/8080 6/10.244.0.2/8080");
  expect(extentContents([3 - (cells[0] ?? 0), ...cells.slice(1)], backends)).toBeUndefined();
  expect(extentContents(cells.slice(1), backends)).toBeUndefined();
});

test("answers go straight to clients outside where every node finds the same backend, and nowhere else", () => {
  const frontend = { protocol: 6, scope: "external", externalPolicy: "cluster", affinitySeconds: 0 } as const;
  const maglev = { algorithm: "maglev", mode: "dsr" } as const;
  expect(returnsDirectly(maglev, frontend)).toBe(true);
  for (const protocol of [6, 132] as const)
    expect(returnsDirectly({ ...maglev, mode: "hybrid" }, { ...frontend, protocol })).toBe(true);
  expect(returnsDirectly(maglev, { ...frontend, protocol: 17 })).toBe(true);
  expect(returnsDirectly({ ...maglev, mode: "hybrid" }, { ...frontend, protocol: 17 })).toBe(false);
  expect(returnsDirectly({ ...maglev, mode: "snat" }, frontend)).toBe(false);
  expect(returnsDirectly({ algorithm: "maglev" }, frontend)).toBe(false);
  expect(returnsDirectly({ ...maglev, algorithm: "random" }, frontend)).toBe(false);
  expect(returnsDirectly(maglev, { ...frontend, scope: "cluster" })).toBe(false);
  expect(returnsDirectly(maglev, { ...frontend, externalPolicy: "local" })).toBe(false);
  expect(returnsDirectly(maglev, { ...frontend, affinitySeconds: 60 })).toBe(false);
});

test("a Service's frontends get direct return with the table, and lose it with the mode", () => {
  const run = new Run();
  const services = collection([
    readService({
      metadata: { namespace: "ns", name: "web" },
      spec: { type: "NodePort", clusterIP: "10.96.0.1", ports: [{ port: 80, nodePort: 30_080 }] },
    }),
  ]);
  const snapshot = { ...cluster(undefined, [1, 2]), services };
  const entries = () => [...run.kernel.frontends].map(([id, { entry }]) => [id, entry.dsr ?? false]);
  run.sync(snapshot, { algorithm: "maglev", maglevTableSize: 251, mode: "dsr" });
  expect(entries()).toEqual([
    ["6/10.96.0.1/80", false],
    ["6/*4/30080", true],
  ]);
  expect(run.sync(snapshot, { algorithm: "maglev", maglevTableSize: 251, mode: "snat" }).operations.length).toBe(1);
  expect(entries().map(([, dsr]) => dsr)).toEqual([false, false]);
});
