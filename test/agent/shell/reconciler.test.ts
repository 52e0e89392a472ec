// SPDX-License-Identifier: Apache-2.0
// Proves that what is known reaches the kernel through failures, bursts, restarts and tampering, and when it counts as ready.

import { setTimeout as nextTimer } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type EndpointSlice, readService, type Snapshot } from "../../../agent/core/kubernetes-objects.ts";
import { collection, nodes } from "../core/arbitrary-objects.ts";
import { A, B, NETWORK, ReconciledNode, service, slice } from "./reconciled-node.ts";

let node: ReconciledNode;

beforeEach(() => {
  node = new ReconciledNode();
});
afterEach(() => node.reconciler.stop());

test("is ready when the first full sync is in the kernel and the programs are attached", async () => {
  node.start();
  expect(node.reconciler.status().ready).toBe(false);
  await node.ready();
  expect(node.kernel.model.lookup(A, "selection")).toHaveLength(2);
  expect(node.kernel.attachments).toBe(1);
  expect(node.reconciler.status()).toMatchObject({ services: 2, endpoints: 3, frontends: 2, pending: 0, reason: "" });
  expect(node.reconciler.status().resourceVersions).toEqual({ services: "7" });
});

test("touches nothing and is not ready while one kind has not been listed", async () => {
  let looks = 0;
  const unsynced = { objects: new Map() };
  const counted = Object.defineProperty(unsynced, "synced", { get: () => ++looks < 0 }) as unknown as Snapshot["nodes"];
  node.state = { ...node.state, nodes: counted };
  node.start();
  // Each trigger looks once, and so does each sync: more looks than triggers mean that syncs have begun.
  for (let triggers = 1; looks <= triggers + 3; triggers++) {
    node.reconciler.trigger();
    await nextTimer(5);
  }
  expect(node.kernel.applied).toEqual([]);
  expect(node.kernel.configured).toEqual([]);
  expect(node.reconciler.status()).toMatchObject({
    ready: false,
    reason: expect.stringContaining("first complete lists"),
  });
  node.state = { ...node.state, nodes };
  node.reconciler.trigger();
  await node.ready();
});

test("keeps a failed write pending, counts it by reason, serves the rest, and retries until it succeeds", async () => {
  node.kernel.refuses = (operation) => operation.kind === "upsert-frontend" && operation.key.address === "10.96.0.1";
  node.start();
  await expect.poll(() => node.reconciler.status().pending).toBe(1);
  expect(node.reconciler.status()).toMatchObject({
    ready: false,
    reason: "1 writes to the kernel have failed and are being retried",
  });
  expect(node.kernel.model.lookup(B, "selection")).toHaveLength(1);
  expect(node.kernel.attachments).toBe(1);
  expect((await node.value("sansproxy_failed_writes_total"))[0]).toMatchObject({ labels: { reason: "E2BIG" } });
  node.kernel.refuses = () => false;
  await node.ready();
  expect(node.kernel.model.lookup(A, "selection")).toHaveLength(2);
});

test("leaves out the writes that build on a failed one", async () => {
  node.kernel.refuses = (operation) => operation.kind === "write-backend" && operation.backend.address === "10.244.0.1";
  node.start();
  await expect.poll(() => node.kernel.model.frontends.has(B)).toBe(true);
  await expect.poll(() => node.reconciler.status().pending).toBeGreaterThan(0);
  expect(node.kernel.model.frontends.has(A)).toBe(false);
  node.kernel.refuses = () => false;
  await node.ready();
});

test("keeps the endpoints a Service had while a change of it fails", async () => {
  node.start();
  await node.ready();
  node.kernel.refuses = (operation) => operation.kind === "flip-selection";
  node.setSlices(slice("a", [1, 2, 9]), slice("b", [3]));
  await expect.poll(() => node.reconciler.status().pending).toBeGreaterThan(0);
  expect(node.kernel.model.lookup(A, "selection")).toHaveLength(2);
  expect(node.reconciler.status().ready).toBe(true);
  node.kernel.refuses = () => false;
  await expect.poll(() => node.kernel.model.lookup(A, "selection")).toHaveLength(3);
});

test("works on the changed Services alone when only endpoints have changed, and on everything when more has", async () => {
  node.start();
  await node.ready();
  const whole = async () => (await node.value("kubeproxy_sync_full_proxy_rules_duration_seconds")).at(-1)?.value;
  const before = await whole();
  const change = (after: EndpointSlice) => {
    const known = node.state.endpointSlices.objects.get(`ns/${after.name}`);
    node.state = { ...node.state, endpointSlices: collection([...node.state.endpointSlices.objects.values(), after]) };
    node.reconciler.changed({ kind: "endpointSlices", change: { before: known, after } });
  };
  change(slice("a", [7, 8, 9]));
  await expect.poll(() => node.kernel.model.lookup(A, "selection")).toHaveLength(3);
  change(slice("b", [7]));
  await expect.poll(() => node.kernel.model.lookup(B, "selection")).toEqual(["6/10.244.0.7/8080"]);
  expect(await whole()).toBe(before);
  expect((await node.value("kubeproxy_sync_proxy_rules_endpoint_changes_total"))[0]?.value).toBe(2);
  const after = service("c", 3);
  node.state = { ...node.state, services: collection([...node.state.services.objects.values(), after]) };
  node.reconciler.changed({ kind: "services", change: { before: undefined, after } });
  await expect.poll(() => node.kernel.model.frontends.has("6/10.96.0.3/80")).toBe(true);
  expect(await whole()).toBe((before ?? 0) + 1);
});

test("a change that could not be written counts until it is: in the lag, and in the time that programming took", async () => {
  node.start();
  await node.ready();
  expect((await node.value("sansproxy_sync_lag_seconds"))[0]?.value).toBe(0);
  node.kernel.refuses = (operation) => operation.kind === "flip-selection";
  const before = slice("a", [1, 2]);
  const after = { ...slice("a", [7]), triggeredAt: Date.now() + 1 };
  node.state = { ...node.state, endpointSlices: collection([after, slice("b", [3])]) };
  node.reconciler.changed({ kind: "endpointSlices", change: { before, after } });
  const failures = () => node.sampleOf("sansproxy_failed_writes_total", { reason: "E2BIG" });
  await expect.poll(failures).toBeGreaterThan(1);
  expect((await node.value("sansproxy_sync_lag_seconds"))[0]?.value).toBeGreaterThan(0);
  expect(await node.countOf("kubeproxy_network_programming_duration_seconds")).toBe(0);
  node.kernel.refuses = () => false;
  await expect.poll(() => node.kernel.model.lookup(A, "selection")).toEqual(["6/10.244.0.7/8080"]);
  await expect.poll(() => node.countOf("kubeproxy_network_programming_duration_seconds")).toBe(1);
  await expect.poll(async () => (await node.value("sansproxy_sync_lag_seconds"))[0]?.value).toBe(0);
});

test("a failed write of a changed endpoint is found again by a look at everything", async () => {
  node.start();
  await node.ready();
  node.kernel.refuses = (operation) => operation.kind === "flip-selection";
  const after = slice("a", [7]);
  node.state = { ...node.state, endpointSlices: collection([after, slice("b", [3])]) };
  node.reconciler.changed({ kind: "endpointSlices", change: { before: slice("a", [1, 2]), after } });
  await expect.poll(() => node.reconciler.status().pending).toBeGreaterThan(0);
  node.kernel.refuses = () => false;
  await expect.poll(() => node.kernel.model.lookup(A, "selection")).toEqual(["6/10.244.0.7/8080"]);
});

test("makes one sync of a burst of events", async () => {
  node.start({ coalesceMs: 20 });
  await node.ready();
  const before = await node.syncs();
  for (let round = 0; round < 200; round++) node.setSlices(slice("a", [round % 50, 60]), slice("b", [3]));
  await expect.poll(() => node.kernel.model.lookup(A, "selection")).toContain("6/10.244.0.49/8080");
  const after = await node.syncs();
  expect(after - before).toBeLessThan(10);
});

test("writes nothing after a restart with unchanged objects", async () => {
  node.start();
  await node.ready();
  await node.reconciler.stop();
  node.kernel.applied.length = 0;
  node.start();
  await node.ready();
  expect(node.kernel.applied).toEqual([]);
});

test("finds, repairs and counts what others changed in the maps", async () => {
  node.start({ resyncMs: 50 });
  await node.ready();
  node.kernel.model.frontends.delete(A);
  node.kernel.model.arena.fill(0);
  node.kernel.model.backends.set(1, { address: "203.0.113.66", port: 1, protocol: 6 });
  await expect.poll(() => node.kernel.model.frontends.has(A)).toBe(true);
  await expect.poll(() => node.kernel.model.lookup(A, "selection")).toEqual(["6/10.244.0.1/8080", "6/10.244.0.2/8080"]);
  await expect.poll(() => node.kernel.model.lookup(B, "selection")).toEqual(["6/10.244.0.3/8080"]);
  const drift = Object.fromEntries(
    (await node.value("sansproxy_drift_repaired_total")).map((v) => [v.labels["map"], v.value]),
  );
  expect(drift).toMatchObject({ frontends: 1, backends: 1 });
  expect(drift["extents"]).toBeGreaterThan(0);
});

test("counts no drift while nobody else writes", async () => {
  node.start({ resyncMs: 20 });
  await node.ready();
  for (let round = 0; round < 5; round++) {
    node.setSlices(slice("a", [round]), slice("b", [3, round]));
    await expect.poll(() => node.kernel.model.lookup(A, "selection")).toEqual([`6/10.244.0.${round}/8080`]);
  }
  await expect.poll(() => node.kernel.attachments).toBeGreaterThan(5);
  expect((await node.value("sansproxy_drift_repaired_total")).filter((sample) => sample.value !== 0)).toEqual([]);
});

test("the first Service of SCTP has it served at the devices of Pods, and the last one has that end", async () => {
  const spec = { clusterIP: "10.96.0.3", ports: [{ port: 80, protocol: "SCTP" }] };
  const after = readService({ metadata: { namespace: "ns", name: "c" }, spec });
  const { services } = node.state;
  node.start();
  await node.ready();
  expect(node.servedSctp).toEqual([false]);
  node.state = { ...node.state, services: collection([...services.objects.values(), after]) };
  node.reconciler.changed({ kind: "services", change: { before: undefined, after } });
  await expect.poll(() => node.servedSctp).toEqual([false, true]);
  node.state = { ...node.state, services };
  node.reconciler.changed({ kind: "services", change: { before: after, after: undefined } });
  await expect.poll(() => node.servedSctp).toEqual([false, true, false]);
});

test("attaches the programs again when others detached them", async () => {
  node.start({ resyncMs: 20 });
  await node.ready();
  node.kernel.detached = true;
  await expect.poll(() => node.kernel.detached).toBe(false);
  await expect.poll(() => node.sampleOf("sansproxy_drift_repaired_total", { map: "links" })).toBe(1);
});

test("frees backends that nothing uses any more", { timeout: 30_000 }, async () => {
  node.start();
  await node.ready();
  node.setSlices(slice("a", [1]), slice("b", [3]));
  await expect.poll(() => node.kernel.model.backends.size, { timeout: 10_000 }).toBe(2);
});

test("has UDP sockets let go of backends as soon as these have gone, and again once they are cleared", {
  timeout: 30_000,
}, async () => {
  const dns = (hosts: number[]) => ({ ...slice("a", hosts), ports: [{ name: "", protocol: "UDP", port: 53 }] });
  const spec = { clusterIP: "10.96.0.1", ports: [{ port: 53, protocol: "UDP" }] };
  node.state = {
    ...node.state,
    services: collection([readService({ metadata: { namespace: "ns", name: "a" }, spec })]),
    endpointSlices: collection([dns([1, 2])]),
  };
  node.start();
  await node.ready();
  node.setSlices(dns([1]));
  await expect.poll(() => node.kernel.model.lookup("17/10.96.0.1/53", "selection")).toHaveLength(1);
  await expect.poll(() => node.releases.slice(-2)).toEqual(["note", "release"]);
  expect([...node.kernel.model.backends.values()].filter(({ gone }) => gone)).toHaveLength(1);
  const notes = () => node.releases.filter((each) => each === "note").length;
  expect(notes()).toBe(1);
  await expect.poll(() => node.kernel.model.backends.size, { timeout: 10_000 }).toBe(1);
  await expect.poll(notes).toBe(2);
});

test("keeps trying when the maps cannot be read or the programs cannot be attached, and says so", async () => {
  node.kernel.readsFail = true;
  node.start();
  await expect.poll(() => node.reconciler.status().reason).toContain("cannot be read");
  node.kernel.attachFails = true;
  node.kernel.readsFail = false;
  await expect.poll(() => node.reconciler.status().reason).toContain("cannot attach");
  expect(node.reconciler.status().ready).toBe(false);
  node.kernel.attachFails = false;
  await node.ready();
  expect(node.reconciler.status().reason).toBe("");
});

test("waits for its own Node", async () => {
  let known = false;
  node.start({}, () => (known ? NETWORK : undefined));
  await expect.poll(() => node.reconciler.status().reason).toContain("Node node-1");
  known = true;
  await node.ready();
});

test("tells the kernel the node's facts only when they change", async () => {
  node.start();
  await node.ready();
  node.setSlices(slice("a", [5]), slice("b", [3]));
  await expect.poll(() => node.kernel.model.lookup(A, "selection")).toEqual(["6/10.244.0.5/8080"]);
  expect(node.kernel.configured).toHaveLength(1);
});

test("is stuck when a change waits too long for its sync", async () => {
  node.start({ stuckMs: 0, coalesceMs: 30_000 });
  await node.ready();
  node.setSlices(slice("a", [1]));
  await expect.poll(() => node.reconciler.status().stuck).toBe(true);
});

test("load balancers are told of endpoints only after these are in the kernel", async () => {
  const lb = readService({
    metadata: { namespace: "ns", name: "a" },
    spec: {
      ...{ type: "LoadBalancer", clusterIP: "10.96.0.1", externalTrafficPolicy: "Local", healthCheckNodePort: 32_000 },
      ports: [{ port: 80 }],
    },
  });
  node.state = { ...node.state, services: collection([lb]) };
  const seen: number[] = [];
  node.kernel.refuses = () => {
    seen.push(node.checked.length);
    return false;
  };
  node.start();
  await node.ready();
  expect(node.checked).toEqual(["a:32000=0"]);
  expect(seen.every((count) => count === 0)).toBe(true);
});
