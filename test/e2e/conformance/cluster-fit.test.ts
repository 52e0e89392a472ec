// SPDX-License-Identifier: Apache-2.0
// What is changed of a cluster for the tests, and put back: by a kubectl that keeps nodes' labels and taints in memory.
import { expect, test } from "vitest";
import { clusterShape, excludedFromBalancers, fitCluster, type Kubectl } from "./cluster-fit.ts";

const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";
const ZONE = "topology.kubernetes.io/zone";

class Cluster {
  readonly labels = new Map<string, Map<string, string>>();
  readonly taints = new Map<string, Map<string, string>>();

  readonly #podCIDRs: readonly string[];

  constructor(workers: number, podCIDRs: readonly string[] = []) {
    this.#podCIDRs = podCIDRs;
    for (let worker = 1; worker <= workers; worker += 1) this.#add(`worker-${worker}`, [], []);
    const labels: [string, string][] = [CONTROL_PLANE, excludedFromBalancers].map((label) => [label, ""]);
    this.#add("cp-1", labels, [[CONTROL_PLANE, "NoSchedule"]]);
  }

  #add(name: string, labels: [string, string][], taints: [string, string][]): void {
    this.labels.set(name, new Map(labels));
    this.taints.set(name, new Map(taints));
  }

  readonly kubectl: Kubectl = async (...args) => {
    const [verb, kind, name = "", change = ""] = args;
    if (verb === "get" && kind === "nodes") return JSON.stringify({ items: [...this.labels.keys()].map(this.#node) });
    if (args.includes("coredns")) return JSON.stringify({ spec: { replicas: 2 }, status: { availableReplicas: 2 } });
    const [labels, taints] = [this.labels.get(name), this.taints.get(name)];
    if (labels === undefined || taints === undefined) throw new Error(`kubectl ${args.join(" ")}: no such node`);
    if (verb === "label" && change.endsWith("-")) labels.delete(change.slice(0, -1));
    else if (verb === "label") labels.set(change.split("=")[0] ?? "", change.split("=")[1] ?? "");
    else if (verb === "taint" && change.endsWith("-")) taints.delete(change.split(":")[0] ?? "");
    else if (verb === "taint") taints.set(change.split("=")[0] ?? "", change.split(":")[1] ?? "");
    else throw new Error(`kubectl ${args.join(" ")}: not known here`);
    return "";
  };

  readonly #node = (name: string) => ({
    metadata: { name, labels: Object.fromEntries(this.labels.get(name) ?? []) },
    spec: {
      taints: [...(this.taints.get(name) ?? [])].map(([key, effect]) => ({ key, effect })),
      podCIDRs: this.#podCIDRs,
    },
    status: { conditions: [{ type: "Ready", status: "True" }], addresses: [] },
  });

  state = () => JSON.stringify([[...this.labels], [...this.taints]].map((each) => each.map(([k, v]) => [k, [...v]])));
}

test("where the control plane has to take pods, load balancers lead to it as well, and all is put back", async () => {
  const cluster = new Cluster(2);
  const before = cluster.state();
  const putBack = await fitCluster(cluster.kubectl);
  expect([...(cluster.taints.get("cp-1") ?? [])]).toEqual([]);
  expect(cluster.labels.get("cp-1")?.has(excludedFromBalancers)).toBe(false);
  expect([...cluster.labels.values()].map((labels) => labels.get(ZONE))).toEqual(["zone-a", "zone-b", "zone-c"]);
  await putBack();
  expect(cluster.state()).toBe(before);
});

test("with enough workers the control plane stays as it is", async () => {
  const cluster = new Cluster(3);
  await fitCluster(cluster.kubectl);
  expect([...(cluster.taints.get("cp-1") ?? [])]).toEqual([[CONTROL_PLANE, "NoSchedule"]]);
  expect(cluster.labels.get("cp-1")?.has(excludedFromBalancers)).toBe(true);
});

test.each([
  ["IPv4 alone", ["10.244.1.0/24"], false],
  ["both families", ["10.244.1.0/24", "fd00:10:244:1::/64"], true],
])(
  "a cluster's shape is its workers, without the control plane, and whether its Pods have %s",
  async (_, cidrs, both) => {
    expect(await clusterShape(new Cluster(6, cidrs).kubectl)).toEqual({ workers: 6, dualStack: both });
  },
);

test("six workers are two in each of three zones", async () => {
  const cluster = new Cluster(6);
  await fitCluster(cluster.kubectl);
  const workers = [...cluster.labels].filter(([name]) => name.startsWith("worker"));
  const zones = workers.map(([, labels]) => labels.get(ZONE)).sort();
  expect(zones).toEqual(["zone-a", "zone-a", "zone-b", "zone-b", "zone-c", "zone-c"]);
});
