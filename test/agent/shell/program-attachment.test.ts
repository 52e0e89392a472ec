// SPDX-License-Identifier: Apache-2.0
// Proves that a Pod whose sockets are left alone always has its packets served, in whatever order things come and go.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readPod, type Snapshot } from "../../../agent/core/kubernetes-objects.ts";
import { createLog } from "../../../agent/shell/log.ts";
import { ProgramAttachment } from "../../../agent/shell/program-attachment.ts";
import { collection, nodes } from "../core/arbitrary-objects.ts";

let root: string;
let calls: string[];
let present: Set<string>;
let missing: Set<string>;
let attachment: ProgramAttachment;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sansproxy-pods-"));
  for (const name of ["a", "b"]) mkdirSync(join(root, name));
  calls = [];
  present = new Set(["lo", "eth0", "veth-a", "veth-b"]);
  missing = new Set();
  room = 100;
  restart();
});
/** Pods that can have their sockets left alone. */
let room: number;
afterEach(() => rmSync(root, { recursive: true }));

function restart(): void {
  attachment = new ProgramAttachment({
    kernel: {
      attach: async (devices, pods = [], sctp = [], loopback = []) => {
        for (const device of [...devices, ...pods, ...sctp, ...loopback])
          if (!present.has(device)) throw new Error(`no device ${device}`);
        calls.push(["attach", ...devices, ...pods, ...[...sctp, ...loopback].map((name) => `${name}/sctp`)].join(" "));
        return { attached: [], kept: [] };
      },
      bypassSockets: (cgroups) => {
        calls.push(`bypass ${cgroups.map((cgroup) => cgroup.slice(root.length + 1)).join(" ")}`.trim());
        return 0;
      },
    },
    devices: () => [...present].filter((name) => name.startsWith("eth")),
    deviceProblems: () =>
      present.has("eth0") ? [] : [{ service: "node/n", reason: "DeviceMissing", message: "no eth0" }],
    presentDevices: () => present,
    bypassRuntimeClasses: ["kata"],
    find: async ({ name, uid }) => {
      if (missing.has(uid) || !present.has(`veth-${uid}`)) throw new Error("it is not there yet");
      return { device: `veth-${uid}`, cgroup: join(root, name.slice("ns/".length)) };
    },
    findDevices: (pods) =>
      Promise.allSettled(
        pods.map(async ({ uid }) => {
          if (missing.has(uid) || !present.has(`veth-${uid}`)) throw new Error("it is not there yet");
          return `veth-${uid}`;
        }),
      ),
    makeRoom: async (cgroups) => Math.min(cgroups, room),
    advise: () => undefined,
    log: createLog("error", (line) => calls.push(line)),
  });
}

const pod = (name: string, asks = true) =>
  readPod({
    metadata: { namespace: "ns", name, uid: name, annotations: { "sansproxy.io/socket-lb": String(!asks) } },
    status: { phase: "Running", podIPs: [{ ip: "10.244.0.5" }] },
  });

async function sync(pods: ReturnType<typeof pod>[], again = false, servesSctp = false): Promise<string[]> {
  const snapshot: Snapshot = {
    services: collection([]),
    endpointSlices: collection([]),
    nodes,
    pods: collection(pods),
  };
  calls = [];
  const { problems } = await attachment.sync(snapshot, again, servesSctp);
  return [...calls, ...problems.map(({ message }) => message)];
}

test("a Pod's packets are served before its sockets are left alone", async () => {
  await sync([], true);
  expect(await sync([pod("a")])).toEqual(["bypass", "attach eth0 veth-a", "bypass a"]);
});

test("a device of the node that goes is told, and attached to when it is back", async () => {
  present.add("eth1");
  await sync([], true);
  present.delete("eth0");
  expect(await sync([])).toEqual(["bypass", "attach eth1", "bypass", "no eth0"]);
  expect(await sync([])).toEqual(["no eth0"]);
  present.add("eth0");
  expect(await sync([])).toEqual(["bypass", "attach eth1 eth0", "bypass"]);
});

test("nothing is done while nothing has changed", async () => {
  await sync([pod("a")], true);
  expect(await sync([pod("a")])).toEqual([]);
  expect(await sync([pod("a")], true)).toEqual(["bypass a", "attach eth0 veth-a", "bypass a"]);
});

test("after a restart what the Pods asked for before is not undone for a moment", async () => {
  expect(await sync([pod("a")], true)).toEqual(["attach eth0 veth-a", "bypass a"]);
});

test("a Pod that changes its mind keeps the programs at its device, for the connections that they have translated", async () => {
  await sync([pod("a")], true);
  expect(await sync([pod("a", false)])).toEqual(["bypass", "attach eth0 veth-a", "bypass"]);
});

test("the device of a Pod that has gone is let go, and does not keep others from being attached", async () => {
  await sync([pod("a"), pod("b")], true);
  present.delete("veth-a");
  const [first, second, third, said] = await sync([pod("a"), pod("b")]);
  expect([first, second, third]).toEqual(["bypass b", "attach eth0 veth-b", "bypass b"]);
  expect(said).toContain("Pod ns/a");
  expect(await sync([pod("b")])).toEqual([]);
});

test("a Pod that cannot be found yet is served at its sockets, told so, and found later", async () => {
  missing.add("a");
  const [first, second, said] = await sync([pod("a")], true);
  expect([first, second]).toEqual(["attach eth0", "bypass"]);
  expect(said).toMatch(/^Pod ns\/a: its sockets are served like any other's, because it is not there yet/);
  missing.clear();
  expect(await sync([pod("a")])).toEqual(["bypass", "attach eth0 veth-a", "bypass a"]);
});

test("a Pod that there is no room for is served at its sockets, and told so; those before it are left alone", async () => {
  room = 1;
  const [first, second, said, ...others] = await sync([pod("a"), pod("b")], true);
  expect([first, second, ...others]).toEqual(["attach eth0 veth-a veth-b", "bypass a"]);
  expect(said).toMatch(/^Pod ns\/b: its sockets are served like any other's, because the map .* is full/);
  room = 2;
  expect(await sync([pod("a"), pod("b")])).toEqual(["bypass a", "attach eth0 veth-a veth-b", "bypass a b"]);
});

test("while there is a Service of SCTP, it is served to the node and at the devices of Pods whose sockets are translated", async () => {
  const pods = [pod("a"), pod("b", false)];
  expect(await sync(pods, true)).toEqual(["attach eth0 veth-a", "bypass a"]);
  expect(await sync(pods, false, true)).toEqual(["bypass a", "attach eth0 veth-a veth-b/sctp lo/sctp", "bypass a"]);
  expect(await sync(pods, false, true)).toEqual([]);
  expect(await sync(pods)).toEqual(["bypass a", "attach eth0 veth-a", "bypass a"]);
});

test("a Pod that leaves its sockets alone from now on has all of its packets served instead of SCTP", async () => {
  await sync([pod("b", false)], true, true);
  expect(await sync([pod("b")], false, true)).toEqual(["bypass", "attach eth0 veth-b lo/sctp", "bypass b"]);
});

test("a Pod whose device is not known is told that its SCTP is not served, and is served once it is", async () => {
  missing.add("b");
  const [first, second, said] = await sync([pod("b", false)], true, true);
  expect([first, second]).toEqual(["attach eth0 lo/sctp", "bypass"]);
  expect(said).toMatch(/^Pod ns\/b: Services do not answer its SCTP, because it is not there yet/);
  missing.clear();
  expect(await sync([pod("b", false)], false, true)).toEqual(["bypass", "attach eth0 veth-b/sctp lo/sctp", "bypass"]);
});

test("a Pod that has ended, is on its way out or has no address yet has no SCTP to serve", async () => {
  const status = { phase: "Running", podIPs: [{ ip: "10.244.0.5" }] };
  const metadata = (name: string) => ({ namespace: "ns", name, uid: name });
  const pods = [
    { metadata: metadata("a"), status: { ...status, phase: "Succeeded" } },
    { metadata: { ...metadata("b"), deletionTimestamp: "2026-11-23T09:00:00Z" }, status },
    { metadata: metadata("c"), status: { phase: "Pending" } },
    { metadata: metadata("d"), spec: { hostNetwork: true }, status },
  ].map(readPod);
  expect(await sync(pods, true, true)).toEqual(["attach eth0 lo/sctp", "bypass"]);
});
