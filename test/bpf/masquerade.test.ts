// SPDX-License-Identifier: Apache-2.0
// Pods that leave the cluster do so from the node's address; what stays inside, and what came from outside, keeps its own.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import type { Talker } from "./talker.ts";
import { CLIENT, NODE, network, OTHER_POD, POD, World } from "./world.ts";

let world: World;
let datapath: Datapath;
let pod: Talker;
let host: Talker;
let outside: Talker;

beforeAll(async () => {
  world = new World();
  datapath = world.datapath();
  datapath.configure(network);
  world.attach(datapath);
  pod = world.talker(world.pod);
  host = world.talker(world.node);
  outside = world.talker(world.client);
  for (const [talker, name, address] of [
    [outside, "outside", CLIENT],
    [world.talker(world.otherNode), "other", OTHER_POD],
    [pod, "pod", POD],
  ] as const) {
    await talker.listen("tcp", address, 9000, name);
    await talker.listen("udp", address, 9000, name);
  }
});

afterAll(() => world.cleanup.run());

const each = ["tcp", "udp"] as const;

test.each(each)("a pod that leaves by %s is seen with the node's address, and its own port", async (protocol) => {
  expect(await pod[protocol](CLIENT, 9000, { localPort: 21_000 })).toMatchObject({
    name: "outside",
    sees: `${NODE}:21000`,
  });
});

test.each(each)("a pod that stays in the cluster keeps its address by %s", async (protocol) => {
  expect(await pod[protocol](OTHER_POD, 9000, { localPort: 21_001 })).toMatchObject({
    name: "other",
    sees: `${POD}:21001`,
  });
});

test.each(each)("a pod that is reached from outside by %s answers from its own address", async (protocol) => {
  expect(await outside[protocol](POD, 9000, { localPort: 21_002 })).toMatchObject({
    name: "pod",
    sees: `${CLIENT}:21002`,
  });
});

test.each(each)("a port that the host itself uses by %s is not taken from it", async (protocol) => {
  const mine = { key: `host-${protocol}`, localPort: 21_003 };
  expect(await host[protocol](CLIENT, 9000, mine)).toMatchObject({ sees: `${NODE}:21003` });
  const reply = await pod[protocol](CLIENT, 9000, { localPort: 21_003 });
  expect(reply.name).toBe("outside");
  expect(reply.sees).not.toBe(`${NODE}:21003`);
  expect(await host[protocol](CLIENT, 9000, mine)).toMatchObject({ sees: `${NODE}:21003` });
});

test.each(each)(
  "a host socket that comes after a pod by %s is moved aside, and both are answered",
  async (protocol) => {
    const pods = { key: `pod-${protocol}`, localPort: 21_004 };
    expect(await pod[protocol](CLIENT, 9000, pods)).toMatchObject({ sees: `${NODE}:21004` });
    const reply = await host[protocol](CLIENT, 9000, { localPort: 21_004 });
    expect(reply.name).toBe("outside");
    expect(reply.sees).not.toBe(`${NODE}:21004`);
    expect(await pod[protocol](CLIENT, 9000, pods)).toMatchObject({ sees: `${NODE}:21004` });
  },
);

test("much data leaves a pod whole", async () => {
  expect(await pod.tcp(CLIENT, 9000, { bytes: 1_000_000 })).toMatchObject({ bytes: 1_000_000, name: "outside" });
});

test.each(each)("a pod goes with its own address by %s to a network that wants to see it", async (protocol) => {
  datapath.configure({ ...network, nonMasqueradeCidrs: ["10.77.0.0/24"] });
  expect(await pod[protocol](CLIENT, 9000, { localPort: 21_006 })).toMatchObject({ sees: `${POD}:21006` });
  datapath.configure(network);
});

test("with masquerade off, a pod is seen with its own address", async () => {
  datapath.configure({ ...network, masquerade: [6] });
  expect(await pod.udp(CLIENT, 9000, { localPort: 21_005 })).toMatchObject({ sees: `${POD}:21005` });
  datapath.configure(network);
});
