// SPDX-License-Identifier: Apache-2.0
// Checks that the node's CNI file and routes follow the Nodes, and that nothing is removed before they are all known.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Node, readNode } from "../../../agent/core/kubernetes-objects.ts";
import { createLog } from "../../../agent/shell/log.ts";
import { NodeSetup } from "../../../agent/shell/node-setup.ts";
import { CONFLIST_NAME } from "../../../agent/shell/pod-network.ts";

const node = (name: string, cidr: string, address: string): Node =>
  readNode({
    metadata: { name },
    spec: cidr ? { podCIDR: cidr } : {},
    status: { addresses: [{ type: "InternalIP", address }] },
  });

let confPath: string;
let commands: string[];
let lines: string[];
let setup: NodeSetup;
const nodes = { synced: false, objects: new Map<string, Node>() };

beforeEach(() => {
  confPath = mkdtempSync(join(tmpdir(), "sansproxy-setup-"));
  commands = [];
  lines = [];
  nodes.synced = false;
  nodes.objects.clear();
});
afterEach(async () => {
  await setup.stop();
  rmSync(confPath, { recursive: true });
});

function start(install = true): void {
  setup = new NodeSetup({
    nodeName: "node-1",
    nodes,
    autoDirectNodeRoutes: true,
    cni: { install, confPath },
    mtu: async () => 1500,
    log: createLog("warn", (line) => lines.push(line)),
    run: async (args) => {
      commands.push(args.join(" "));
      return "";
    },
  });
  setup.trigger();
}
const set = (...all: Node[]) => {
  for (const one of all) nodes.objects.set(one.name, one);
};
const installed = () => existsSync(join(confPath, CONFLIST_NAME));

test("does nothing before the Nodes' first list is complete", async () => {
  set(node("node-1", "10.244.1.0/24", "192.0.2.1"));
  start();
  // It has tried, found that it must wait, and said so.
  await expect.poll(() => lines.join()).toContain("waiting for the API server's Nodes");
  expect(commands).toEqual([]);
  expect(installed()).toBe(false);
});

test("sets up pods' network and the routes to other nodes, and is ready", async () => {
  set(node("node-1", "10.244.1.0/24", "192.0.2.1"), node("node-2", "10.244.2.0/24", "192.0.2.2"));
  nodes.synced = true;
  start();
  await expect.poll(() => setup.ready).toBe(true);
  expect(installed()).toBe(true);
  expect(setup.reason).toBe("");
  expect(commands).toContain("-4 route replace 10.244.2.0/24 via 192.0.2.2 proto 157");
  expect(commands.join()).not.toContain("10.244.1.0/24");
});

test("waits, saying why, until the controller manager has given its Node a network", async () => {
  nodes.synced = true;
  set(node("node-1", "", "192.0.2.1"));
  start();
  await expect.poll(() => setup.reason).toContain("Node node-1 has no spec.podCIDR");
  expect(setup.ready).toBe(false);
  set(node("node-1", "10.244.1.0/24", "192.0.2.1"));
  setup.trigger();
  await expect.poll(() => setup.ready).toBe(true);
});

test("writes no CNI file, and takes its own back, where another plugin serves the pods", async () => {
  nodes.synced = true;
  set(node("node-1", "10.244.1.0/24", "192.0.2.1"));
  start();
  await expect.poll(installed).toBe(true);
  await setup.stop();
  start(false);
  await expect.poll(installed).toBe(false);
  await expect.poll(() => setup.ready).toBe(true);
});
