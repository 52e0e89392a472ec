// SPDX-License-Identifier: Apache-2.0
// XDP at a node's device: clients through it to another node and back, and how it comes, stays, changes and goes.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { setOffload } from "../support/device-offload.ts";
import { NODE, network, OTHER_POD, POD, serve, TCP, testSizes, UDP, World } from "./world.ts";

const VIP = "192.0.2.10";
let world: World;

beforeEach(() => {
  world = new World();
});

afterEach(() => world.cleanup.run());

const xdpOf = (): string | undefined => {
  const [link] = JSON.parse(world.node.ip("-j", "-d", "link", "show", "eth0")) as { xdp?: { mode: number } }[];
  return link?.xdp === undefined ? undefined : ["none", "native", "generic"][link.xdp.mode];
};
const links = (): string[] =>
  readdirSync(join(world.bpfRoot, "sansproxy/links")).filter((name) => name.startsWith("node_"));
const device = ["node_egress@eth0", "node_ingress@eth0"];

function furnish(datapath: Datapath): void {
  datapath.configure(network);
  for (const protocol of [TCP, UDP]) {
    serve(datapath, { address: VIP, port: 80, protocol }, [{ address: OTHER_POD, port: 8080 }]);
    serve(datapath, { address: "*4", port: 30_001, protocol }, [{ address: OTHER_POD, port: 8080 }]);
    serve(datapath, { address: "*4", port: 30_002, protocol }, [{ address: POD, port: 8080 }]);
    serve(datapath, { address: VIP, port: 81, protocol }, []);
  }
}

async function listen(): Promise<void> {
  for (const [netns, name, address] of [
    [world.pod, "local", POD],
    [world.otherNode, "remote", OTHER_POD],
  ] as const) {
    const server = world.talker(netns);
    await server.listen("tcp", address, 8080, name);
    await server.listen("udp", address, 8080, name);
  }
}

test("XDP forwards a client to another node's pod and back, data and all, and leaves the rest to tc", async () => {
  world.makeWire();
  const datapath = world.datapath(testSizes, { acceleration: "native" });
  furnish(datapath);
  world.attach(datapath);
  expect(xdpOf()).toBe("native");
  await listen();
  const client = world.talker(world.client);
  for (const protocol of ["tcp", "udp"] as const) {
    expect(await client[protocol](VIP, 80, { localPort: 20_001 })).toMatchObject({
      ...{ name: "remote", sees: `${NODE}:20001` },
    });
    expect(await client[protocol](NODE, 30_001, { localPort: 20_002 })).toMatchObject({ name: "remote" });
    expect(await client[protocol](NODE, 30_002, { localPort: 20_003 })).toMatchObject({ name: "local" });
  }
  expect(await client.tcp(VIP, 81)).toEqual({ error: "ECONNREFUSED" });
  const before = datapath.counters();
  expect(await client.tcp(VIP, 80, { bytes: 1_000_000 })).toMatchObject({ bytes: 1_000_000, name: "remote" });
  const after = datapath.counters();
  const counted = (name: string): number => Number((after[name] ?? 0n) - (before[name] ?? 0n));
  // Neighbours are known by now: not one packet of the connection needs tc.
  expect(counted("xdp_forwarded")).toBeGreaterThan(100);
  expect(counted("forwarded")).toBe(0);
  for (const [name, value] of Object.entries(after))
    if (name.startsWith("drop_")) expect([name, value]).toEqual([name, 0n]);
});

test("a device whose peer does not take frames is attached to, and its packets go by tc", async () => {
  // Checksums as on a wire, but a far end that does not poll.
  for (const netns of [world.client, world.otherNode]) setOffload(netns, "eth0", "tx", false);
  const datapath = world.datapath(testSizes, { acceleration: "native" });
  furnish(datapath);
  world.attach(datapath);
  await listen();
  expect(await world.talker(world.client).tcp(VIP, 80)).toMatchObject({ name: "remote" });
  expect(datapath.counters()["xdp_forwarded"]).toBe(0n);
  expect(datapath.counters()["forwarded"]).toBeGreaterThan(0n);
});

test("a restart keeps the link; larger maps change its program over; switched off, it goes", async () => {
  world.makeWire();
  const first = world.datapath(testSizes, { acceleration: "native" });
  furnish(first);
  expect(world.attach(first).attached).toContain("node_xdp@eth0");
  first.close();

  const second = world.datapath(testSizes, { acceleration: "native" });
  const again = world.attach(second);
  expect(again.attached).toEqual([]);
  expect(again.kept).toContain("node_xdp@eth0");
  await listen();
  const client = world.talker(world.client);
  expect(await client.tcp(VIP, 80, { key: "long" })).toMatchObject({ name: "remote" });

  const grown = world.datapath({ ...testSizes, frontends: 512 }, { acceleration: "native" });
  furnish(grown);
  expect(world.attach(grown).attached).toContain("node_xdp@eth0");
  expect(await client.tcp(VIP, 80, { key: "long" })).toMatchObject({ name: "remote" });

  const without = world.datapath({ ...testSizes, frontends: 512 });
  world.attach(without);
  expect(xdpOf()).toBeUndefined();
  expect(links().sort()).toEqual(device);
  expect(readdirSync(join(world.bpfRoot, "sansproxy/programs"))).not.toContain("node_xdp");
  expect(await client.tcp(VIP, 80, { key: "long" })).toMatchObject({ name: "remote" });
});

test("best-effort leaves devices of software alone, and says so", () => {
  const datapath = world.datapath(testSizes, { acceleration: "best-effort" });
  world.attach(datapath);
  expect(xdpOf()).toBeUndefined();
  expect(datapath.acceleration).toEqual({
    mode: "best-effort",
    devices: [],
    refused: [{ device: "eth0", reason: "veth devices are served by tc, unless native is asked for" }],
  });
});

test("where native must be and the device cannot, everything else is attached, and the error has the remedy", () => {
  world.node.ip("link", "add", "plain0", "type", "bridge");
  const datapath = world.datapath(testSizes, { acceleration: "native" });
  expect(() => world.attach(datapath, ["eth0", "plain0"])).toThrow(
    /plain0 cannot run XDP in its driver, which loadBalancer\.acceleration = native asks for: .*; set it to best-effort/,
  );
  expect(links().sort()).toEqual([
    ...["node_egress@eth0", "node_egress@plain0", "node_ingress@eth0", "node_ingress@plain0", "node_xdp@eth0"],
  ]);
});
