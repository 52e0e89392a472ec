// SPDX-License-Identifier: Apache-2.0
// The devices in IPv6: Services from outside, pods that leave the cluster, and pods served at their own device.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { setOffload } from "../support/device-offload.ts";
import { makeCgroup } from "../support/netns.ts";
import type { Talker } from "./talker.ts";
import { CLIENT6, dualNetwork, NODE6, OTHER_POD6, POD6, serve, TCP, UDP, World } from "./world.ts";

const VIP = "fd00::10";
let world: World;
let datapath: Datapath;
let client: Talker;
let pod: Talker;

beforeAll(async () => {
  world = new World();
  world.addIpv6();
  datapath = world.datapath();
  datapath.configure(dualNetwork);
  const cgroup = makeCgroup(world.cleanup, world.cgroup);
  world.attach(datapath, ["eth0"], ["pod0"]);
  datapath.bypassSockets([cgroup]);
  client = world.talker(world.client);
  pod = world.talker(world.pod, cgroup);
  for (const [netns, name, address] of [
    [world.pod, "local", POD6],
    [world.otherNode, "remote", OTHER_POD6],
    [world.node, "host", NODE6],
    [world.client, "outside", CLIENT6],
  ] as const) {
    const server = world.talker(netns);
    await server.listen("tcp", address, 8080, name);
    await server.listen("udp", address, 8080, name);
  }
  for (const protocol of [TCP, UDP]) {
    serve(datapath, { address: "*6", port: 30_001, protocol }, [{ address: POD6, port: 8080 }]);
    serve(datapath, { address: "*6", port: 30_002, protocol }, [{ address: OTHER_POD6, port: 8080 }]);
    serve(datapath, { address: "*6", port: 30_003, protocol }, [{ address: NODE6, port: 8080 }]);
    serve(datapath, { address: VIP, port: 80, protocol }, [{ address: OTHER_POD6, port: 8080 }]);
    serve(datapath, { address: VIP, port: 81, protocol }, [{ address: POD6, port: 8080 }]);
    serve(datapath, { address: VIP, port: 82, protocol }, []);
    serve(datapath, { address: VIP, port: 83, protocol, ranges: ["fd99::/64"] }, [{ address: POD6, port: 8080 }]);
  }
});

afterAll(() => world.cleanup.run());

const each = ["tcp", "udp"] as const;

test.each(each)("a %s NodePort with a pod of this node shows the pod the client's own address", async (protocol) => {
  const reply = await client[protocol](NODE6, 30_001, { localPort: 20_001 });
  expect(reply).toMatchObject({ name: "local", sees: `${CLIENT6}:20001` });
  if (protocol === "udp") expect(reply.from).toBe(`${NODE6}:30001`);
});

test.each(each)("a %s NodePort with a pod of another node goes there from our address, and back", async (protocol) => {
  const reply = await client[protocol](NODE6, 30_002, { localPort: 20_002 });
  expect(reply).toMatchObject({ name: "remote", sees: `${NODE6}:20002` });
  if (protocol === "udp") expect(reply.from).toBe(`${NODE6}:30002`);
});

test.each(each)("a %s NodePort with a backend in the node's own network is answered from there", async (protocol) => {
  expect(await client[protocol](NODE6, 30_003)).toMatchObject({ name: "host" });
});

test.each(each)("a %s LoadBalancer address is served though no device has it, data and all", async (protocol) => {
  expect(await client[protocol](VIP, 80)).toMatchObject({ name: "remote" });
  expect(await client[protocol](VIP, 81)).toMatchObject({ name: "local" });
  if (protocol === "tcp") expect(await client.tcp(VIP, 80, { bytes: 1_000_000 })).toMatchObject({ bytes: 1_000_000 });
});

test.each(["on", "off"])("no endpoint refuses TCP and UDP, checksum offload %s", async (offload) => {
  setOffload(world.client, "eth0", "tx", offload === "on");
  expect(await client.tcp(VIP, 82)).toEqual({ error: "ECONNREFUSED" });
  expect(await client.udp(VIP, 82, { connected: true })).toEqual({ error: "ECONNREFUSED" });
  expect(await client.tcp(VIP, 80)).toMatchObject({ name: "remote" });
  expect(await client.udp(VIP, 80)).toMatchObject({ name: "remote" });
});

test("a client outside the source ranges is not served", async () => {
  expect((await client.tcp(VIP, 83, { unanswered: true })).error).toBe("TIMEOUT");
  expect(datapath.counters()["drop_source_range"]).toBeGreaterThan(0n);
});

test.each(each)("a pod that leaves the cluster by %s comes from the node", async (protocol) => {
  const reply = await pod[protocol](CLIENT6, 8080, { localPort: 20_010 });
  expect(reply).toMatchObject({ name: "outside", sees: `${NODE6}:20010` });
});

test("each family has its own masquerade", async () => {
  datapath.configure({ ...dualNetwork, masquerade: [4] });
  expect(await pod.udp(CLIENT6, 8080, { localPort: 20_011 })).toMatchObject({ sees: `${POD6}:20011` });
  datapath.configure({ ...dualNetwork, masquerade: [6] });
  expect(await pod.udp(CLIENT6, 8080, { localPort: 20_012 })).toMatchObject({ sees: `${NODE6}:20012` });
  datapath.configure(dualNetwork);
});

test("a node that has IPv6 alone serves and masquerades", async () => {
  const own = [NODE6];
  datapath.configure({ ...dualNetwork, nodeAddresses: own, clusterNodeAddresses: own, masqueradeAddresses: own });
  expect(await client.tcp(NODE6, 30_002, { localPort: 20_013 })).toMatchObject({ sees: `${NODE6}:20013` });
  expect(await pod.tcp(CLIENT6, 8080, { localPort: 20_014 })).toMatchObject({ sees: `${NODE6}:20014` });
  datapath.configure(dualNetwork);
});

test.each(each)("a pod that opted out reaches Services by %s, itself among them", async (protocol) => {
  expect(await pod[protocol](VIP, 80, { localPort: 20_020 })).toMatchObject({
    name: "remote",
    sees: `${POD6}:20020`,
  });
  expect(await pod[protocol](VIP, 81, { localPort: 20_021 })).toMatchObject({ name: "local", sees: `${NODE6}:20021` });
});
