// SPDX-License-Identifier: Apache-2.0
// Proves that what is known reaches the kernel through failures, bursts, restarts and tampering, and when it counts as ready.

import { setTimeout as nextTimer } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  type EndpointSlice,
  readEndpointSlice,
  readService,
  type Service,
  type Snapshot,
} from "../../../agent/core/kubernetes-objects.ts";
import type { NodeCapacity } from "../../../agent/core/node-capacity.ts";
import type { Capacity, NodeNetwork } from "../../../agent/core/operation.ts";
import { createLog } from "../../../agent/shell/log.ts";
import { Metrics } from "../../../agent/shell/metrics.ts";
import { Reconciler, type ReconcilerTiming } from "../../../agent/shell/reconciler.ts";
import { collection, nodes } from "../core/arbitrary-objects.ts";
import { FaultyKernel } from "./faulty-kernel.ts";

const NETWORK: NodeNetwork = {
  nodeAddresses: ["192.0.2.1"],
  clusterNodeAddresses: ["192.0.2.1"],
  masqueradeAddress: "192.0.2.1",
  podCidrs: [],
  clusterPodCidrs: [],
  nonMasqueradeCidrs: [],
  nodePortRange: { first: 30_000, last: 32_767 },
  masquerade: [4],
  socketLb: true,
};

const service = (name: string, index: number): Service =>
  readService({
    metadata: { namespace: "ns", name, creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { clusterIPs: [`10.96.0.${index}`], ports: [{ port: 80 }] },
  });

const slice = (name: string, hosts: number[]): EndpointSlice =>
  readEndpointSlice({
    metadata: { namespace: "ns", name, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports: [{ name: "", protocol: "TCP", port: 8080 }],
    endpoints: hosts.map((host) => ({ addresses: [`10.244.0.${host}`], conditions: { ready: true } })),
  });

let kernel: FaultyKernel;
let metrics: Metrics;
let state: Snapshot;
let reconciler: Reconciler;
let lines: string[];
let announced: string[];
let checked: string[];
let releases: string[];
let fullMaps: string[];
let nodeRoom: NodeCapacity | undefined;
let makeRoom: (needs: Capacity) => boolean;

beforeEach(() => {
  kernel = new FaultyKernel();
  lines = [];
  announced = [];
  checked = [];
  releases = [];
  makeRoom = () => false;
  fullMaps = [];
  nodeRoom = undefined;
  state = {
    services: collection([service("a", 1), service("b", 2)]),
    endpointSlices: collection([slice("a", [1, 2]), slice("b", [3])]),
    nodes,
  };
});
afterEach(() => reconciler.stop());

function start(timing: Partial<ReconcilerTiming> = {}, network: () => NodeNetwork | undefined = () => NETWORK): void {
  metrics = new Metrics({ counters: () => kernel.counters(), mapUsage: () => new Map() });
  reconciler = new Reconciler({
    kernel,
    nodeName: "node-1",
    snapshot: () => state,
    resourceVersions: () => ({ services: "7" }),
    network,
    room: {
      forServices: async (needs) => makeRoom(needs),
      forNode: async (needs) => nodeRoom ?? needs,
      forConnections: async () => fullMaps,
    },
    attachment: { sync: async (_, again) => ({ attached: again ? kernel.attach().attached : [], problems: [] }) },
    staleSockets: { note: () => releases.push("note"), release: () => releases.push("release") },
    announce: (problem) => announced.push(`${problem.service} ${problem.reason}`),
    checkHealth: (checks) => {
      checked = checks.map(({ name, port, localEndpoints }) => `${name}:${port}=${localEndpoints}`);
      return [];
    },
    log: createLog("debug", (line) => lines.push(line)),
    metrics,
    timing: { retry: { firstMs: 5, limitMs: 20 }, coalesceMs: 1, ...timing },
  });
  reconciler.trigger();
}

const A = "6/10.96.0.1/80";
const B = "6/10.96.0.2/80";
const ready = () => expect.poll(() => reconciler.status().ready).toBe(true);
const value = async (name: string) => (await metrics.registry.getSingleMetric(name)?.get())?.values ?? [];
const sampleOf = async (name: string, labels: object) =>
  (await value(name)).find((sample) => JSON.stringify(sample.labels) === JSON.stringify(labels))?.value;
/** How many observations a histogram has. */
const countOf = async (name: string) =>
  (await value(name)).find((sample) => "metricName" in sample && sample.metricName === `${name}_count`)?.value ?? 0;
const syncs = () => countOf("kubeproxy_sync_proxy_rules_duration_seconds");
const setSlices = (...slices: EndpointSlice[]) => {
  state = { ...state, endpointSlices: collection(slices) };
  reconciler.trigger();
};

test("is ready when the first full sync is in the kernel and the programs are attached", async () => {
  start();
  expect(reconciler.status().ready).toBe(false);
  await ready();
  expect(kernel.model.lookup(A, "selection")).toHaveLength(2);
  expect(kernel.attachments).toBe(1);
  expect(reconciler.status()).toMatchObject({ services: 2, endpoints: 3, frontends: 2, pending: 0, reason: "" });
  expect(reconciler.status().resourceVersions).toEqual({ services: "7" });
});

test("touches nothing and is not ready while one kind has not been listed", async () => {
  let looks = 0;
  const unsynced = { objects: new Map() };
  const counted = Object.defineProperty(unsynced, "synced", { get: () => ++looks < 0 }) as unknown as Snapshot["nodes"];
  state = { ...state, nodes: counted };
  start();
  // Each trigger looks once, and so does each sync: more looks than triggers mean that syncs have begun.
  for (let triggers = 1; looks <= triggers + 3; triggers++) {
    reconciler.trigger();
    await nextTimer(5);
  }
  expect(kernel.applied).toEqual([]);
  expect(kernel.configured).toEqual([]);
  expect(reconciler.status()).toMatchObject({ ready: false, reason: expect.stringContaining("first complete lists") });
  state = { ...state, nodes };
  reconciler.trigger();
  await ready();
});

test("keeps a failed write pending, counts it by reason, serves the rest, and retries until it succeeds", async () => {
  kernel.refuses = (operation) => operation.kind === "upsert-frontend" && operation.key.address === "10.96.0.1";
  start();
  await expect.poll(() => reconciler.status().pending).toBe(1);
  expect(reconciler.status()).toMatchObject({
    ready: false,
    reason: "1 writes to the kernel have failed and are being retried",
  });
  expect(kernel.model.lookup(B, "selection")).toHaveLength(1);
  expect(kernel.attachments).toBe(1);
  expect((await value("sansproxy_failed_writes_total"))[0]).toMatchObject({ labels: { reason: "E2BIG" } });
  kernel.refuses = () => false;
  await ready();
  expect(kernel.model.lookup(A, "selection")).toHaveLength(2);
});

test("leaves out the writes that build on a failed one", async () => {
  kernel.refuses = (operation) => operation.kind === "write-backend" && operation.backend.address === "10.244.0.1";
  start();
  await expect.poll(() => kernel.model.frontends.has(B)).toBe(true);
  await expect.poll(() => reconciler.status().pending).toBeGreaterThan(0);
  expect(kernel.model.frontends.has(A)).toBe(false);
  kernel.refuses = () => false;
  await ready();
});

test("keeps the endpoints a Service had while a change of it fails", async () => {
  start();
  await ready();
  kernel.refuses = (operation) => operation.kind === "flip-selection";
  setSlices(slice("a", [1, 2, 9]), slice("b", [3]));
  await expect.poll(() => reconciler.status().pending).toBeGreaterThan(0);
  expect(kernel.model.lookup(A, "selection")).toHaveLength(2);
  expect(reconciler.status().ready).toBe(true);
  kernel.refuses = () => false;
  await expect.poll(() => kernel.model.lookup(A, "selection")).toHaveLength(3);
});

test("works on the changed Services alone when only endpoints have changed, and on everything when more has", async () => {
  start();
  await ready();
  const whole = async () => (await value("kubeproxy_sync_full_proxy_rules_duration_seconds")).at(-1)?.value;
  const before = await whole();
  const change = (after: EndpointSlice) => {
    const known = state.endpointSlices.objects.get(`ns/${after.name}`);
    state = { ...state, endpointSlices: collection([...state.endpointSlices.objects.values(), after]) };
    reconciler.changed({ kind: "endpointSlices", change: { before: known, after } });
  };
  change(slice("a", [7, 8, 9]));
  await expect.poll(() => kernel.model.lookup(A, "selection")).toHaveLength(3);
  change(slice("b", [7]));
  await expect.poll(() => kernel.model.lookup(B, "selection")).toEqual(["6/10.244.0.7/8080"]);
  expect(await whole()).toBe(before);
  expect((await value("kubeproxy_sync_proxy_rules_endpoint_changes_total"))[0]?.value).toBe(2);
  const after = service("c", 3);
  state = { ...state, services: collection([...state.services.objects.values(), after]) };
  reconciler.changed({ kind: "services", change: { before: undefined, after } });
  await expect.poll(() => kernel.model.frontends.has("6/10.96.0.3/80")).toBe(true);
  expect(await whole()).toBe((before ?? 0) + 1);
});

test("a change that could not be written counts until it is: in the lag, and in the time that programming took", async () => {
  start();
  await ready();
  expect((await value("sansproxy_sync_lag_seconds"))[0]?.value).toBe(0);
  kernel.refuses = (operation) => operation.kind === "flip-selection";
  const before = slice("a", [1, 2]);
  const after = { ...slice("a", [7]), triggeredAt: Date.now() + 1 };
  state = { ...state, endpointSlices: collection([after, slice("b", [3])]) };
  reconciler.changed({ kind: "endpointSlices", change: { before, after } });
  const failures = () => sampleOf("sansproxy_failed_writes_total", { reason: "E2BIG" });
  await expect.poll(failures).toBeGreaterThan(1);
  expect((await value("sansproxy_sync_lag_seconds"))[0]?.value).toBeGreaterThan(0);
  expect(await countOf("kubeproxy_network_programming_duration_seconds")).toBe(0);
  kernel.refuses = () => false;
  await expect.poll(() => kernel.model.lookup(A, "selection")).toEqual(["6/10.244.0.7/8080"]);
  await expect.poll(() => countOf("kubeproxy_network_programming_duration_seconds")).toBe(1);
  await expect.poll(async () => (await value("sansproxy_sync_lag_seconds"))[0]?.value).toBe(0);
});

test("a failed write of a changed endpoint is found again by a look at everything", async () => {
  start();
  await ready();
  kernel.refuses = (operation) => operation.kind === "flip-selection";
  const after = slice("a", [7]);
  state = { ...state, endpointSlices: collection([after, slice("b", [3])]) };
  reconciler.changed({ kind: "endpointSlices", change: { before: slice("a", [1, 2]), after } });
  await expect.poll(() => reconciler.status().pending).toBeGreaterThan(0);
  kernel.refuses = () => false;
  await expect.poll(() => kernel.model.lookup(A, "selection")).toEqual(["6/10.244.0.7/8080"]);
});

test("makes one sync of a burst of events", async () => {
  start({ coalesceMs: 20 });
  await ready();
  const before = await syncs();
  for (let round = 0; round < 200; round++) setSlices(slice("a", [round % 50, 60]), slice("b", [3]));
  await expect.poll(() => kernel.model.lookup(A, "selection")).toContain("6/10.244.0.49/8080");
  const after = await syncs();
  expect(after - before).toBeLessThan(10);
});

test("writes nothing after a restart with unchanged objects", async () => {
  start();
  await ready();
  await reconciler.stop();
  kernel.applied.length = 0;
  start();
  await ready();
  expect(kernel.applied).toEqual([]);
});

test("finds, repairs and counts what others changed in the maps", async () => {
  start({ resyncMs: 50 });
  await ready();
  kernel.model.frontends.delete(A);
  kernel.model.arena.fill(0);
  kernel.model.backends.set(1, { address: "203.0.113.66", port: 1, protocol: 6 });
  await expect.poll(() => kernel.model.frontends.has(A)).toBe(true);
  await expect.poll(() => kernel.model.lookup(A, "selection")).toEqual(["6/10.244.0.1/8080", "6/10.244.0.2/8080"]);
  await expect.poll(() => kernel.model.lookup(B, "selection")).toEqual(["6/10.244.0.3/8080"]);
  const drift = Object.fromEntries(
    (await value("sansproxy_drift_repaired_total")).map((v) => [v.labels["map"], v.value]),
  );
  expect(drift).toMatchObject({ frontends: 1, backends: 1 });
  expect(drift["extents"]).toBeGreaterThan(0);
});

test("counts no drift while nobody else writes", async () => {
  start({ resyncMs: 20 });
  await ready();
  for (let round = 0; round < 5; round++) {
    setSlices(slice("a", [round]), slice("b", [3, round]));
    await expect.poll(() => kernel.model.lookup(A, "selection")).toEqual([`6/10.244.0.${round}/8080`]);
  }
  await vi.waitFor(() => expect(kernel.attachments).toBeGreaterThan(5));
  expect((await value("sansproxy_drift_repaired_total")).filter((sample) => sample.value !== 0)).toEqual([]);
});

test("attaches the programs again when others detached them", async () => {
  start({ resyncMs: 20 });
  await ready();
  kernel.detached = true;
  await expect.poll(() => kernel.detached).toBe(false);
  await expect.poll(() => sampleOf("sansproxy_drift_repaired_total", { map: "links" })).toBe(1);
});

test("frees backends that nothing uses any more", { timeout: 30_000 }, async () => {
  start();
  await ready();
  setSlices(slice("a", [1]), slice("b", [3]));
  await expect.poll(() => kernel.model.backends.size, { timeout: 10_000 }).toBe(2);
});

test("has UDP sockets let go of backends once these are cleared, and not before", { timeout: 30_000 }, async () => {
  const dns = (hosts: number[]) => ({ ...slice("a", hosts), ports: [{ name: "", protocol: "UDP", port: 53 }] });
  const spec = { clusterIP: "10.96.0.1", ports: [{ port: 53, protocol: "UDP" }] };
  state = {
    ...state,
    services: collection([readService({ metadata: { namespace: "ns", name: "a" }, spec })]),
    endpointSlices: collection([dns([1, 2])]),
  };
  start();
  await ready();
  setSlices(dns([1]));
  await expect.poll(() => kernel.model.lookup("17/10.96.0.1/53", "selection")).toHaveLength(1);
  expect(releases).not.toContain("note");
  await expect.poll(() => kernel.model.backends.size, { timeout: 10_000 }).toBe(1);
  await expect.poll(() => releases.slice(-2)).toEqual(["note", "release"]);
});

test("keeps trying when the maps cannot be read or the programs cannot be attached, and says so", async () => {
  kernel.readsFail = true;
  start();
  await expect.poll(() => reconciler.status().reason).toContain("cannot be read");
  kernel.attachFails = true;
  kernel.readsFail = false;
  await expect.poll(() => reconciler.status().reason).toContain("cannot attach");
  expect(reconciler.status().ready).toBe(false);
  kernel.attachFails = false;
  await ready();
  expect(reconciler.status().reason).toBe("");
});

test("waits for its own Node", async () => {
  let known = false;
  start({}, () => (known ? NETWORK : undefined));
  await expect.poll(() => reconciler.status().reason).toContain("Node node-1");
  known = true;
  await ready();
});

test("tells the kernel the node's facts only when they change", async () => {
  start();
  await ready();
  setSlices(slice("a", [5]), slice("b", [3]));
  await expect.poll(() => kernel.model.lookup(A, "selection")).toEqual(["6/10.244.0.5/8080"]);
  expect(kernel.configured).toHaveLength(1);
});

test("says once which Service does not fit, and again when it does", async () => {
  kernel = new FaultyKernel({ frontends: 1, selections: 100, arena: 512, backends: 100, sourceRanges: 100 });
  start();
  await ready();
  expect(kernel.model.lookup(A, "selection")).toHaveLength(2);
  expect(
    lines.filter((line) => line.includes("Service ns/b is not served, because the frontends map is full")),
  ).toHaveLength(1);
  expect(await sampleOf("sansproxy_service_problems", { reason: "FrontendsFull" })).toBe(1);
  state = { ...state, services: collection([service("b", 2)]) };
  reconciler.trigger();
  await expect.poll(() => kernel.model.frontends.has(B)).toBe(true);
  expect(lines.some((line) => line.includes('"solved"'))).toBe(true);
  expect(await sampleOf("sansproxy_service_problems", { reason: "FrontendsFull" })).toBe(0);
});

test("asks for larger maps before it refuses a Service, and then serves it", async () => {
  kernel = new FaultyKernel({ frontends: 1, selections: 100, arena: 512, backends: 100, sourceRanges: 100 });
  makeRoom = ({ frontends }) => {
    const grows = frontends > kernel.capacity.frontends;
    if (grows) Object.assign(kernel.capacity, { frontends: 10 });
    return grows;
  };
  start();
  await ready();
  expect(kernel.model.lookup(B, "selection")).toHaveLength(1);
  expect(announced).toEqual([]);
});

test("says of a map of connections that is full and may not grow what it does to this node, once", async () => {
  fullMaps = ["flows"];
  start({ resyncMs: 20 });
  await ready();
  await expect.poll(() => kernel.attachments).toBeGreaterThan(2);
  expect(announced).toEqual(["node/node-1 FlowsFull"]);
  expect(await sampleOf("sansproxy_service_problems", { reason: "FlowsFull" })).toBe(1);
  expect(lines.filter((line) => line.includes("silent longest"))).toHaveLength(1);
  fullMaps = [];
  await expect.poll(() => lines.join()).toContain("solved");
});

test("gives the kernel as many nodes' addresses as fit, and says how many are left out", async () => {
  const clusterNodeAddresses = ["192.168.0.1", "192.168.0.2", "192.168.0.3"];
  nodeRoom = { nodeAddresses: 2, networks: 100 };
  start({}, () => ({ ...NETWORK, nodeAddresses: ["192.168.0.1"], clusterNodeAddresses }));
  await ready();
  expect(kernel.configured.at(-1)?.clusterNodeAddresses).toEqual(["192.168.0.1", "192.168.0.2"]);
  expect(announced).toEqual(["node/node-1 NodeAddressesFull"]);
});

test("refuses a Service alone when the maps cannot be made larger, and says so", async () => {
  kernel = new FaultyKernel({ frontends: 1, selections: 100, arena: 512, backends: 100, sourceRanges: 100 });
  makeRoom = () => {
    throw new Error("no memory");
  };
  start();
  await ready();
  expect(kernel.model.lookup(A, "selection")).toHaveLength(2);
  expect(announced).toEqual(["ns/b FrontendsFull"]);
  expect((await value("sansproxy_failed_map_growths_total"))[0]?.value).toBe(1);
  expect(lines.join()).toContain("no memory");
});

test("is stuck when a change waits too long for its sync", async () => {
  start({ stuckMs: 0, coalesceMs: 30_000 });
  await ready();
  setSlices(slice("a", [1]));
  await expect.poll(() => reconciler.status().stuck).toBe(true);
});

test("a Service that is refused is told once, and again only when it has changed what is wrong", async () => {
  kernel = new FaultyKernel({ frontends: 1, selections: 100, arena: 512, backends: 100, sourceRanges: 100 });
  start();
  await ready();
  expect(announced).toEqual(["ns/b FrontendsFull"]);
  setSlices(slice("a", [1]), slice("b", [3]));
  await expect.poll(() => kernel.model.lookup(A, "selection")).toEqual(["6/10.244.0.1/8080"]);
  expect(announced).toEqual(["ns/b FrontendsFull"]);
});

test("load balancers are told of endpoints only after these are in the kernel", async () => {
  const lb = readService({
    metadata: { namespace: "ns", name: "a" },
    spec: {
      ...{ type: "LoadBalancer", clusterIP: "10.96.0.1", externalTrafficPolicy: "Local", healthCheckNodePort: 32_000 },
      ports: [{ port: 80 }],
    },
  });
  state = { ...state, services: collection([lb]) };
  const seen: number[] = [];
  kernel.refuses = () => {
    seen.push(checked.length);
    return false;
  };
  start();
  await ready();
  expect(checked).toEqual(["a:32000=0"]);
  expect(seen.every((count) => count === 0)).toBe(true);
});
