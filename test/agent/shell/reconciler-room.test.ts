// SPDX-License-Identifier: Apache-2.0
// Proves what the reconciler does when a map has no room: it asks for more, serves what fits, and says what does not.

import { afterEach, beforeEach, expect, test } from "vitest";
import { collection } from "../core/arbitrary-objects.ts";
import { FaultyKernel } from "./faulty-kernel.ts";
import { A, B, NETWORK, ReconciledNode, service, slice } from "./reconciled-node.ts";

let node: ReconciledNode;

beforeEach(() => {
  node = new ReconciledNode();
});
afterEach(() => node.reconciler.stop());

test("says once which Service does not fit, and again when it does", async () => {
  node.kernel = new FaultyKernel({ frontends: 1, selections: 100, arena: 512, backends: 100, sourceRanges: 100 });
  node.start();
  await node.ready();
  expect(node.kernel.model.lookup(A, "selection")).toHaveLength(2);
  expect(
    node.lines.filter((line) => line.includes("Service ns/b is not served, because the frontends map is full")),
  ).toHaveLength(1);
  expect(await node.sampleOf("sansproxy_service_problems", { reason: "FrontendsFull" })).toBe(1);
  node.state = { ...node.state, services: collection([service("b", 2)]) };
  node.reconciler.trigger();
  await expect.poll(() => node.kernel.model.frontends.has(B)).toBe(true);
  expect(node.lines.some((line) => line.includes('"solved"'))).toBe(true);
  expect(await node.sampleOf("sansproxy_service_problems", { reason: "FrontendsFull" })).toBe(0);
});

test("asks for larger maps before it refuses a Service, and then serves it", async () => {
  node.kernel = new FaultyKernel({ frontends: 1, selections: 100, arena: 512, backends: 100, sourceRanges: 100 });
  node.makeRoom = ({ frontends }) => {
    const grows = frontends > node.kernel.capacity.frontends;
    if (grows) Object.assign(node.kernel.capacity, { frontends: 10 });
    return grows;
  };
  node.start();
  await node.ready();
  expect(node.kernel.model.lookup(B, "selection")).toHaveLength(1);
  expect(node.announced).toEqual([]);
});

test("says of a map of connections that is full and may not grow what it does to this node, once", async () => {
  node.fullMaps = ["flows"];
  node.start({ resyncMs: 20 });
  await node.ready();
  await expect.poll(() => node.kernel.attachments).toBeGreaterThan(2);
  expect(node.announced).toEqual(["node/node-1 FlowsFull"]);
  expect(await node.sampleOf("sansproxy_service_problems", { reason: "FlowsFull" })).toBe(1);
  expect(node.lines.filter((line) => line.includes("silent longest"))).toHaveLength(1);
  node.fullMaps = [];
  await expect.poll(() => node.lines.join()).toContain("solved");
});

test("gives the kernel as many nodes' addresses as fit, and says how many are left out", async () => {
  const clusterNodeAddresses = ["192.168.0.1", "192.168.0.2", "192.168.0.3"];
  node.nodeRoom = { nodeAddresses: 2, networks: 100 };
  node.start({}, () => ({ ...NETWORK, nodeAddresses: ["192.168.0.1"], clusterNodeAddresses }));
  await node.ready();
  expect(node.kernel.configured.at(-1)?.clusterNodeAddresses).toEqual(["192.168.0.1", "192.168.0.2"]);
  expect(node.announced).toEqual(["node/node-1 NodeAddressesFull"]);
});

test("refuses a Service alone when the maps cannot be made larger, and says so", async () => {
  node.kernel = new FaultyKernel({ frontends: 1, selections: 100, arena: 512, backends: 100, sourceRanges: 100 });
  node.makeRoom = () => {
    throw new Error("no memory");
  };
  node.start();
  await node.ready();
  expect(node.kernel.model.lookup(A, "selection")).toHaveLength(2);
  expect(node.announced).toEqual(["ns/b FrontendsFull"]);
  expect((await node.value("sansproxy_failed_map_growths_total"))[0]?.value).toBe(1);
  expect(node.lines.join()).toContain("no memory");
});

test("a Service that is refused is told once, and again only when it has changed what is wrong", async () => {
  node.kernel = new FaultyKernel({ frontends: 1, selections: 100, arena: 512, backends: 100, sourceRanges: 100 });
  node.start();
  await node.ready();
  expect(node.announced).toEqual(["ns/b FrontendsFull"]);
  node.setSlices(slice("a", [1]), slice("b", [3]));
  await expect.poll(() => node.kernel.model.lookup(A, "selection")).toEqual(["6/10.244.0.1/8080"]);
  expect(node.announced).toEqual(["ns/b FrontendsFull"]);
});
