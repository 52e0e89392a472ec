// SPDX-License-Identifier: Apache-2.0
// Services from outside a node: real packets of a client through a node's device, and the way back.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Operation } from "../../agent/core/operation.ts";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { setOffload } from "../support/device-offload.ts";
import type { Talker } from "./talker.ts";
import { CLIENT, NODE, network, OTHER_POD, POD, serve, TCP, UDP, World } from "./world.ts";

const LOAD_BALANCER = "192.0.2.10";
let world: World;
let datapath: Datapath;
let client: Talker;

beforeAll(async () => {
  world = new World();
  datapath = world.datapath();
  datapath.configure(network);
  world.attach(datapath);
  client = world.talker(world.client);
  for (const [netns, name, address] of [
    [world.pod, "local", POD],
    [world.otherNode, "remote", OTHER_POD],
    [world.node, "host", NODE],
  ] as const) {
    const server = world.talker(netns);
    await server.listen("tcp", address, 8080, name);
    await server.listen("udp", address, 8080, name);
  }
  for (const protocol of [TCP, UDP]) {
    serve(datapath, { address: "*4", port: 30_001, protocol }, [{ address: POD, port: 8080 }]);
    serve(datapath, { address: "*4", port: 30_002, protocol }, [{ address: OTHER_POD, port: 8080 }]);
    serve(datapath, { address: "*4", port: 30_003, protocol }, [{ address: NODE, port: 8080 }]);
    serve(datapath, { address: "*4", port: 30_004, protocol }, []);
    serve(datapath, { address: LOAD_BALANCER, port: 80, protocol }, [{ address: OTHER_POD, port: 8080 }]);
    serve(datapath, { address: LOAD_BALANCER, port: 81, protocol }, [{ address: POD, port: 8080 }]);
    serve(datapath, { address: LOAD_BALANCER, port: 82, protocol }, []);
    serve(datapath, { address: LOAD_BALANCER, port: 83, protocol, noEndpoint: "drop" }, []);
    serve(datapath, { address: "10.96.0.9", port: 80, protocol, scope: "cluster" }, [{ address: POD, port: 8080 }]);
  }
});

afterAll(() => world.cleanup.run());

const each = ["tcp", "udp"] as const;

test.each(each)("a %s NodePort with a pod of this node shows the pod the client's own address", async (protocol) => {
  const reply = await client[protocol](NODE, 30_001, { localPort: 20_001 });
  expect(reply).toMatchObject({ name: "local", sees: `${CLIENT}:20001` });
  if (protocol === "udp") expect(reply.from).toBe(`${NODE}:30001`);
});

test.each(each)("a %s NodePort with a pod of another node goes there from our address, and back", async (protocol) => {
  const reply = await client[protocol](NODE, 30_002, { localPort: 20_002 });
  // The client's port is kept, as it is free.
  expect(reply).toMatchObject({ name: "remote", sees: `${NODE}:20002` });
  if (protocol === "udp") expect(reply.from).toBe(`${NODE}:30002`);
});

test.each(each)(
  "a %s NodePort with a host-network backend of this node is answered from the NodePort",
  async (protocol) => {
    const reply = await client[protocol](NODE, 30_003, { localPort: 20_003 });
    expect(reply).toMatchObject({ name: "host", sees: `${CLIENT}:20003` });
    if (protocol === "udp") expect(reply.from).toBe(`${NODE}:30003`);
  },
);

test.each(["on", "off"])(
  "without endpoints clients are refused at once on any address, checksum offload %s",
  async (offload) => {
    setOffload(world.client, "eth0", "tx", offload === "on");
    for (const [address, port] of [
      [NODE, 30_004],
      [LOAD_BALANCER, 82],
    ] as const) {
      expect(await client.tcp(address, port)).toEqual({ error: "ECONNREFUSED" });
      expect(await client.udp(address, port, { connected: true })).toEqual({ error: "ECONNREFUSED" });
    }
  },
);

test.each(each)("a %s client without endpoints hears nothing where the policy is to drop", async (protocol) => {
  const asked = client[protocol](LOAD_BALANCER, 83, { connected: true, unanswered: true });
  expect(await asked).toEqual({ error: "TIMEOUT" });
});

test.each(each)("a %s LoadBalancer address is served though no device has it", async (protocol) => {
  expect(await client[protocol](LOAD_BALANCER, 80)).toMatchObject({ name: "remote" });
  expect(await client[protocol](LOAD_BALANCER, 81)).toMatchObject({ name: "local" });
});

test("a ClusterIP is not served to the outside", async () => {
  expect((await client.tcp("10.96.0.9", 80, { unanswered: true })).name).toBeUndefined();
});

test("much data passes both ways through a remote backend", async () => {
  expect(await client.tcp(NODE, 30_002, { bytes: 1_000_000 })).toMatchObject({ bytes: 1_000_000, name: "remote" });
});

test("an established connection keeps its backend when the selection changes, new ones take the new", async () => {
  const selection = serve(datapath, { address: "*4", port: 30_005, protocol: TCP }, [{ address: POD, port: 8080 }]);
  expect(await client.tcp(NODE, 30_005, { key: "long" })).toMatchObject({ name: "local" });
  datapath.apply({ kind: "write-backend", id: 251, backend: { address: OTHER_POD, port: 8080, protocol: TCP } });
  datapath.apply({ kind: "write-extent", offset: 1001, backendIds: [251] });
  datapath.apply({ kind: "flip-selection", id: selection, selection: { offset: 1001, count: 1, generation: 2 } });
  expect(await client.tcp(NODE, 30_005, { key: "long" })).toMatchObject({ name: "local" });
  expect(await client.tcp(NODE, 30_005)).toMatchObject({ name: "remote" });
});

test.each([
  ["has gone", 30_006, (id: number): Operation => ({ kind: "mark-backend", id, gone: true })],
  ["is absent", 30_016, (id: number): Operation => ({ kind: "clear-backend", id })],
])("a UDP client whose backend %s moves to one that exists", async (_, port, removal) => {
  const selection = serve(datapath, { address: "*4", port, protocol: UDP }, [{ address: POD, port: 8080 }]);
  expect(await client.udp(NODE, port, { key: `moves from ${port}` })).toMatchObject({ name: "local" });
  const state = datapath.read();
  const [old = 0] = state.extents.get(state.selections.get(selection)?.offset ?? -1) ?? [];
  datapath.apply({ kind: "write-backend", id: 252, backend: { address: OTHER_POD, port: 8080, protocol: UDP } });
  datapath.apply({ kind: "write-extent", offset: 1002, backendIds: [252] });
  datapath.apply({ kind: "flip-selection", id: selection, selection: { offset: 1002, count: 1, generation: 2 } });
  datapath.apply(removal(old));
  const moved = await client.udp(NODE, port, { key: `moves from ${port}` });
  expect(moved).toMatchObject({ name: "remote", from: `${NODE}:${port}` });
});

test("a packet that finds a backend which has gone, as it read its extent just before, is given it", async () => {
  const selection = serve(datapath, { address: "*4", port: 30_017, protocol: UDP }, [{ address: POD, port: 8080 }]);
  const state = datapath.read();
  const [id = 0] = state.extents.get(state.selections.get(selection)?.offset ?? -1) ?? [];
  datapath.apply({ kind: "mark-backend", id, gone: true });
  for (let datagram = 0; datagram < 2; datagram++)
    expect(await client.udp(NODE, 30_017, { key: "late" })).toMatchObject({ name: "local" });
});

test("two NodePorts of one pod, used from one client port, do not mix their answers", async () => {
  serve(datapath, { address: "*4", port: 30_007, protocol: UDP }, [{ address: POD, port: 8080 }]);
  serve(datapath, { address: "*4", port: 30_008, protocol: UDP }, [{ address: POD, port: 8080 }]);
  const first = await client.udp(NODE, 30_007, { key: "both", localPort: 20_100 });
  expect(first).toMatchObject({ name: "local", from: `${NODE}:30007` });
  // The pod tells the two apart by a port of ours; the client's address stays.
  const second = await client.udp(NODE, 30_008, { key: "both" });
  expect(second).toMatchObject({ name: "local", from: `${NODE}:30008` });
  expect(second.sees).toMatch(new RegExp(`^${CLIENT.replaceAll(".", "\\.")}:`));
  expect(second.sees).not.toBe(first.sees);
  expect(await client.udp(NODE, 30_007, { key: "both" })).toEqual(first);
});

test("two clients with the same port reach one remote backend by two ports of ours", async () => {
  const other = world.talker(world.client);
  world.client.ip("address", "add", "10.77.0.9/24", "dev", "eth0");
  const [one, two] = await Promise.all([
    client.udp(NODE, 30_002, { localPort: 20_200 }),
    other.udp(LOAD_BALANCER, 80, { localPort: 20_201 }),
  ]);
  expect(one).toMatchObject({ name: "remote", sees: `${NODE}:20200` });
  expect(two).toMatchObject({ name: "remote", sees: `${NODE}:20201` });
  const again = await other.udp(LOAD_BALANCER, 80, { localPort: 20_200 });
  expect(again).toMatchObject({ name: "remote", from: `${LOAD_BALANCER}:80` });
  expect(again.sees).not.toBe(`${NODE}:20200`);
});

test("nothing of this was lost to a reason we do not expect", () => {
  const counters = datapath.counters();
  for (const [name, value] of Object.entries(counters)) {
    if (name.startsWith("drop_") && name !== "drop_no_endpoint") expect([name, value]).toEqual([name, 0n]);
  }
  expect(counters["forwarded"]).toBeGreaterThan(10n);
});
