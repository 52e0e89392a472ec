// SPDX-License-Identifier: Apache-2.0
// Runs the operator's commands against an agent's real state over HTTP, and reads what a person would.

import { afterEach, beforeEach, expect, test } from "vitest";
import { readEndpointSlice, readService, type Snapshot } from "../../../agent/core/kubernetes-objects.ts";
import { DEFAULT_LOAD_BALANCING, type LoadBalancing } from "../../../agent/core/load-balancing.ts";
import type { NodeNetwork } from "../../../agent/core/operation.ts";
import { parseFrontend } from "../../../agent/operator/arguments.ts";
import { runDrops, runExplain, runServiceList, runStatus } from "../../../agent/operator/operator-commands.ts";
import { renderDrops } from "../../../agent/operator/render.ts";
import { serveHttp } from "../../../agent/shell/http-server.ts";
import { createLog } from "../../../agent/shell/log.ts";
import { Metrics } from "../../../agent/shell/metrics.ts";
import type { PatientListener } from "../../../agent/shell/patient-listener.ts";
import { Reconciler } from "../../../agent/shell/reconciler.ts";
import { stateReport } from "../../../agent/shell/state-report.ts";
import { freePort } from "../../support/free-port.ts";
import { collection, NODE, nodes } from "../core/arbitrary-objects.ts";
import { FaultyKernel } from "../shell/faulty-kernel.ts";

const NETWORK: NodeNetwork = {
  nodeAddresses: ["192.0.2.1"],
  clusterNodeAddresses: ["192.0.2.1"],
  masqueradeAddresses: ["192.0.2.1"],
  podCidrs: [],
  clusterPodCidrs: [],
  nonMasqueradeCidrs: [],
  nodePortRange: { first: 30_000, last: 32_767 },
  masquerade: [4],
  socketLb: true,
};

const snapshot: Snapshot = {
  services: collection([
    readService({
      metadata: { namespace: "ns", name: "web" },
      spec: {
        ...{
          type: "LoadBalancer",
          clusterIP: "10.96.0.1",
          externalTrafficPolicy: "Local",
          sessionAffinity: "ClientIP",
        },
        ports: [{ name: "http", port: 80, nodePort: 30_080 }],
        loadBalancerSourceRanges: ["198.51.100.0/24"],
      },
      status: { loadBalancer: { ingress: [{ ip: "203.0.113.9" }] } },
    }),
  ]),
  endpointSlices: collection([
    readEndpointSlice({
      metadata: { namespace: "ns", name: "s", labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      ports: [{ name: "http", protocol: "TCP", port: 8080 }],
      endpoints: [
        { addresses: ["10.244.0.1"], nodeName: NODE },
        { addresses: ["10.244.1.2"], nodeName: "node-2" },
        { addresses: ["10.244.1.3"], nodeName: "node-2", conditions: { ready: false } },
      ],
    }),
  ]),
  nodes,
};

let seen: Snapshot;
let balancing: LoadBalancing;
let network: NodeNetwork;
let server: PatientListener;
let port: number;
let reconciler: Reconciler;
let text: string;
const write = (written: string) => {
  text += written;
};

const stop = async () => {
  server.stop();
  await reconciler.stop();
};

async function start(kernel = new FaultyKernel()): Promise<void> {
  text = "";
  network = NETWORK;
  seen = snapshot;
  balancing = DEFAULT_LOAD_BALANCING;
  const metrics = new Metrics({ counters: () => kernel.counters(), mapUsage: () => new Map() });
  reconciler = new Reconciler({
    ...{ kernel, metrics, nodeName: NODE, log: createLog("error", write) },
    snapshot: () => snapshot,
    resourceVersions: () => ({}),
    network: () => NETWORK,
    room: { forServices: async () => false, forNode: async (needs) => needs, forConnections: async () => [] },
    attachment: { sync: async (_, again) => ({ attached: again ? kernel.attach().attached : [], problems: [] }) },
    staleSockets: { note: () => undefined, release: () => undefined },
    announce: () => undefined,
    checkHealth: () => [],
  });
  reconciler.trigger();
  await expect.poll(() => reconciler.status().ready).toBe(true);
  const counting = {
    mapUsage: () =>
      new Map([
        ["frontends", { entries: 9, capacity: 100, bytes: 1 }],
        ["source_ranges", { entries: undefined, capacity: 100, bytes: 1 }],
        ["flows", { entries: 50, capacity: 200, bytes: 1 }],
        ["counters", { entries: undefined, capacity: 9, bytes: 1 }],
      ]),
    acceleration: {
      mode: "best-effort",
      devices: ["eth0"],
      refused: [{ device: "bond0", reason: "no driver has it" }],
    } as const,
    counters: () => ({ drop_source_range: 7n, rewritten: 9n, refused: 2n }),
  };
  const sources = {
    ...{ nodeName: NODE, kernel: counting, reconciler },
    snapshot: () => seen,
    network: () => network,
    get balancing() {
      return balancing;
    },
    terminatePodConnections: true,
    devices: () => ["eth0"],
  };
  const refuse = () => {
    throw new Error("not asked for");
  };
  server = await serveHttp(
    { host: "127.0.0.1", port: 0 },
    {
      health: refuse,
      healthAnswered: refuse,
      readiness: refuse,
      metrics: refuse,
      state: (path, query) => stateReport(sources, path, query),
    },
    createLog("error", write),
  );
  port = server.port ?? 0;
}
beforeEach(() => start());
afterEach(stop);

test("status says what is served and how full the maps are", async () => {
  expect(await runStatus({ port, output: "table" }, write)).toBe(0);
  expect(text).toMatch(/^Agent: +ready$/m);
  expect(text).toMatch(/^Masquerade: +IPv4, from 192\.0\.2\.1$/m);
  expect(text).toMatch(/^Devices: +eth0$/m);
  expect(text).toMatch(/^XDP acceleration: +best-effort, on eth0; not on bond0: no driver has it$/m);
  expect(text).toMatch(/^Services: +1, 3 frontends, 2 endpoints, 0 Pods with host ports$/m);
  expect(text).toMatch(/^frontends +3 +100 +3\.0 %$/m);
  expect(text).toMatch(/^source_ranges +1 +100 +1\.0 %$/m);
  expect(text).toMatch(/^flows +50 +200 +25\.0 %$/m);
  expect(text).not.toMatch(/^counters/m);
});

test("status says how the node balances and what it does to sockets", async () => {
  const options = { port, output: "table" } as const;
  await runStatus(options, write);
  expect(text).toMatch(/^Load balancing: +snat, random where a Service does not say$/m);
  expect(text).toMatch(/^Bind protection: +on$/m);
  expect(text).toMatch(/^Terminate Pod connections: +on$/m);

  text = "";
  balancing = { ...DEFAULT_LOAD_BALANCING, algorithm: "maglev", mode: "hybrid" };
  network = { ...NETWORK, bindProtection: false };
  await runStatus(options, write);
  expect(text).toMatch(/^Load balancing: +hybrid, maglev where a Service does not say$/m);
  expect(text).toMatch(/^Bind protection: +off$/m);
});

test("status and explain say at which addresses NodePorts are served", async () => {
  const options = { port, output: "table" } as const;
  await runStatus(options, write);
  expect(text).toMatch(/^NodePorts at: +all node addresses$/m);
  await runExplain(parseFrontend("192.0.2.1:30080"), options, write);
  expect(text).toMatch(/served at +all nodes' addresses/);

  text = "";
  network = { ...NETWORK, nodeAddresses: ["192.0.2.1", "198.18.0.1"], nodePortCidrs: ["192.0.2.0/24"] };
  await runStatus(options, write);
  expect(text).toMatch(/^NodePorts at: +192\.0\.2\.1, by nodePort\.addresses 192\.0\.2\.0\/24$/m);
  expect(await runExplain(parseFrontend("192.0.2.1:30080"), options, write)).toBe(0);
  expect(text).toMatch(/served at +nodes' addresses in 192\.0\.2\.0\/24 \(nodePort\.addresses\)/);

  text = "";
  expect(await runExplain(parseFrontend("198.18.0.1:30080"), options, write)).toBe(1);
  expect(text).toContain("198.18.0.1:30080 is no frontend on this node");
  expect(text).toContain("NodePorts are served only at nodes' addresses in 192.0.2.0/24 (nodePort.addresses).");

  text = "";
  network = { ...NETWORK, nodePortCidrs: ["10.0.0.0/8"] };
  await runStatus(options, write);
  expect(text).toMatch(/^NodePorts at: +no address of this node, by nodePort\.addresses 10\.0\.0\.0\/8$/m);
});

test("service list has a line for each frontend", async () => {
  expect(await runServiceList({ port, output: "table" }, write)).toBe(0);
  expect(text.trim().split("\n").slice(1)).toEqual([
    expect.stringMatching(/^ns\/web +TCP +10\.96\.0\.1:80 +cluster +2$/),
    expect.stringMatching(/^ns\/web +TCP +node\(IPv4\):30080 +external +2 inside, 1 outside$/),
    expect.stringMatching(/^ns\/web +TCP +203\.0\.113\.9:80 +external +2 inside, 1 outside$/),
  ]);
});

test("service list does not call served what the maps have no room for", async () => {
  await stop();
  await start(new FaultyKernel({ frontends: 2, selections: 100, arena: 512, backends: 100, sourceRanges: 100 }));
  expect(await runServiceList({ port, output: "table" }, write)).toBe(0);
  const lines = text.trim().split("\n").slice(1);
  expect(lines).toHaveLength(3);
  for (const line of lines) expect(line).toMatch(/ not served: FrontendsFull$/);
});

test.each(["203.0.113.9:80", "192.0.2.1:30080"])(
  "explain %s leads to each endpoint, in or out, with the reason",
  async (asked) => {
    expect(await runExplain(parseFrontend(asked), { port, output: "table" }, write)).toBe(0);
    expect(text).toContain("is port ns/web:http/TCP of ns/web");
    expect(text).toMatch(/endpoints +cluster from inside, local from outside/);
    expect(text).toMatch(/affinity +client address, 10800 s/);
    expect(text).toMatch(asked.endsWith(":80") ? /sources +198\.51\.100\.0\/24/ : /sources +all/);
    expect(text).toMatch(/in the kernel +2 inside, 1 outside/);
    expect(text).toMatch(/-> 10\.244\.0\.1:8080 +node-1 +inside in: is ready; outside in: is ready/);
    expect(text).toMatch(/-> 10\.244\.1\.2:8080 +node-2 +inside in: is ready; outside out: is on another node/);
    expect(text).toMatch(/-> 10\.244\.1\.3:8080 +node-2 +inside out: is not ready/);
  },
);

test("explain says how a backend is chosen, and which way its answers go", async () => {
  const names = readService({
    metadata: { namespace: "ns", name: "names" },
    spec: { type: "NodePort", clusterIP: "10.96.0.9", ports: [{ port: 53, protocol: "UDP", nodePort: 30_053 }] },
  });
  seen = { ...snapshot, services: collection([names]) };
  const explained = async (asked: string) => {
    text = "";
    await runExplain(parseFrontend(asked), { port, output: "table" }, write);
    return /^ {2}balancing +(.*)$/m.exec(text)?.[1];
  };
  expect(await explained("10.96.0.9:53")).toBe("random");
  balancing = { ...DEFAULT_LOAD_BALANCING, algorithm: "maglev", mode: "dsr" };
  expect(await explained("10.96.0.9:53")).toBe("maglev");
  expect(await explained("192.0.2.1:30053")).toBe("maglev; other nodes' backends answer the client themselves");
});

test("explain says when nobody has the address and port", async () => {
  expect(await runExplain(parseFrontend("203.0.113.9:81"), { port, output: "table" }, write)).toBe(1);
  expect(text).toContain("203.0.113.9:81 is no frontend on this node");
  expect(await runExplain(parseFrontend("[fd00::1]:443"), { port, output: "table" }, write)).toBe(1);
  expect(text).toContain("[fd00::1]:443 is no frontend on this node");
});

test("drops are the refusals only, the most frequent first", async () => {
  expect(await runDrops({ port, output: "table" }, write)).toBe(0);
  expect(text.trim().split("\n")).toEqual(["REASON             COUNT", "drop_source_range  7", "refused            2"]);
});

test("what never happened is not listed among the drops", () => {
  expect(renderDrops({ drop_no_route: 0, refused: 1 })).toEqual(["REASON   COUNT", "refused  1"]);
  expect(renderDrops({ drop_no_route: 0, forwarded: 3 })).toEqual(["Nothing was dropped or refused on this node."]);
});

test("every command writes JSON that can be read again", async () => {
  const options = { port, output: "json" } as const;
  const runs = [
    () => runStatus(options, write),
    () => runServiceList(options, write),
    () => runExplain({ address: "10.96.0.1", port: 80 }, options, write),
    () => runDrops(options, write),
  ];
  for (const run of runs) {
    text = "";
    await run();
    expect(JSON.parse(text)).toBeTypeOf("object");
  }
});

test("an agent that is not there is named with the remedy", async () => {
  const nobodys = await freePort();
  const asked = runStatus({ port: nobodys, output: "table" }, write);
  await expect(asked).rejects.toThrow(`no agent answers at 127.0.0.1:${nobodys} (ECONNREFUSED); run this on a node`);
});

test.each(["10.96.0.1", "10.96.0.1:0", "web:80", "fd00::1:80"])("%s is refused as an address and port", (wrong) => {
  expect(() => parseFrontend(wrong)).toThrow("10.96.0.1:443 or [fd00::1]:443");
});
