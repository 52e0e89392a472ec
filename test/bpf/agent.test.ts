// SPDX-License-Identifier: Apache-2.0
// The whole agent as a process: chart's configuration and rights, a real API server, this kernel, and traffic throughout.
import { type ChildProcess, execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { type ApiServer, startApiServer } from "../plugins/fixtures/api-server.ts";
import { program } from "../plugins/fixtures/programs.ts";
import { chartQueries, metricNames, sampleNames } from "../support/chart-queries.ts";
import { promtool } from "../support/promtool.ts";
import type { Talker } from "./talker.ts";
import { NODE, OTHER_NODE, objectsDir, POD, World } from "./world.ts";

const REPOSITORY = join(import.meta.dirname, "../..");
const CLUSTER_IP = "10.0.0.80";
const NODE_PORT = 30_080;
const DNS_IP = "10.0.0.53";
const DNS_NODE_PORT = 30_053;
const CAPABILITIES = ["bpf", "net_admin", "perfmon"];

const directory = mkdtempSync(join(tmpdir(), "sansproxy-agent-"));
const confPath = join(directory, "net.d");
let world: World;
let api: ApiServer;
let relay: Relay;
let agent: Agent;
let host: Talker;
let outside: Talker;

/** In our node's namespace: what connects to the port goes on to a UNIX socket, which namespaces do not separate. */
const NEAR_END = `
  const net = require("node:net");
  const [port, path] = process.argv.slice(1);
  net.createServer((near) => {
    const far = net.connect(path);
    for (const [one, other] of [[near, far], [far, near]]) {
      one.pipe(other);
      one.on("error", () => {});
      one.on("close", () => (other === near ? near.resetAndDestroy() : other.destroy()));
    }
  }).listen(Number(port), "127.0.0.1");
`;

/** Carries connections from our node's namespace to the API server, and can cut them. */
class Relay {
  readonly #sockets = new Set<Socket>();
  readonly #near: ChildProcess;
  readonly #server: Server;

  constructor(port: number) {
    const path = join(directory, "relay");
    this.#server = createServer((near) => {
      const far = connectTcp(port, "127.0.0.1");
      for (const [one, other] of [[near, far] as const, [far, near] as const]) {
        this.#sockets.add(one);
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    }).listen(path);
    this.#near = world.node.start([process.execPath, "-e", NEAR_END, String(port), path]);
  }

  reset(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#near.kill("SIGKILL");
    this.reset();
    this.#server.close();
  }
}

class Agent {
  readonly process: ChildProcess;
  readonly lines: Record<string, unknown>[] = [];

  /** With the chart's capabilities and no others. */
  constructor(capabilities = CAPABILITIES) {
    const bounds = capabilities.map((capability) => `,+${capability}`).join("");
    const command = [process.execPath, join(REPOSITORY, "agent/main.ts")];
    const paths = ["--config", join(directory, "config.json"), "--service-account", directory];
    const limits = ["setpriv", `--bounding-set=-all${bounds}`, "--no-new-privs", "env", "NODE_NAME=node-1"];
    this.process = world.node.start([...limits, ...command, ...paths, "--objects", objectsDir()]);
    this.process.stdout?.setEncoding("utf8");
    let rest = "";
    this.process.stdout?.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines.map((line) => JSON.parse(line) as Record<string, unknown>));
    });
  }

  get(path: string): string {
    return world.node.run("curl", "-s", "--max-time", "5", `http://127.0.0.1:10256${path}`);
  }

  readiness(): Record<string, unknown> {
    try {
      return JSON.parse(this.get("/readyz")) as Record<string, unknown>;
    } catch {
      return { ready: false, reason: "no answer" };
    }
  }

  async becomesReady(): Promise<void> {
    await expect.poll(() => this.readiness(), { timeout: 30_000, interval: 200 }).toMatchObject({ ready: true });
  }

  /** The value of a sample in its metrics; NaN when it has none. */
  sample(series: string): number {
    const line = this.get("/metrics")
      .split("\n")
      .find((one) => one.startsWith(`${series} `));
    return Number(line?.split(" ")[1]);
  }

  /** Its writes to the maps since it started, by kind. */
  writes(): Record<string, number> {
    const samples = this.get("/metrics").matchAll(/^sansproxy_writes_total\{operation="([^"]+)"\} (\d+)$/gm);
    return Object.fromEntries([...samples].map(([, operation, count]) => [operation, Number(count)]));
  }

  async stop(signal: NodeJS.Signals): Promise<number | null> {
    const ended = once(this.process, "exit");
    this.process.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }
}

function apply(...objects: object[]): void {
  for (const object of objects) {
    const file = join(directory, "object.json");
    writeFileSync(file, JSON.stringify(object));
    api.kubectl("apply", "-f", file);
  }
}

function addNode(name: string, address: string, podCidr: string): void {
  apply({ apiVersion: "v1", kind: "Node", metadata: { name }, spec: { podCIDR: podCidr, podCIDRs: [podCidr] } });
  const status = { addresses: [{ type: "InternalIP", address }] };
  api.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", JSON.stringify({ status }));
}

const endpoints = (...ports: number[]) =>
  apply({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "web-1", namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: ports.map((port) => ({ name: "", protocol: "TCP", port })),
    endpoints: [{ addresses: [POD], conditions: { ready: true } }],
  });

const DRAINING = { ready: false, serving: true, terminating: true };

/** An endpoint of UDP in a slice of its own. */
const dnsAt = (port: number, conditions: object = { ready: true }) =>
  apply({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `dns-${port}`, namespace: "default", labels: { "kubernetes.io/service-name": "dns" } },
    addressType: "IPv4",
    ports: [{ name: "", protocol: "UDP", port }],
    endpoints: [{ addresses: [POD], conditions }],
  });
const noDnsAt = (port: number) => api.kubectl("delete", "endpointslice", `dns-${port}`);

/** Installs the chart's ServiceAccount and rights, and takes the agent's configuration from its ConfigMap. */
function installChart(port: number): void {
  const chart = join(REPOSITORY, "agent/chart");
  const values = {
    k8sServiceHost: "127.0.0.1",
    k8sServicePort: port,
    ipv4NativeRoutingCIDR: "10.244.0.0/16",
    autoDirectNodeRoutes: true,
    devices: "eth0",
    cni: { confPath },
    bpf: { root: world.bpfRoot },
    cgroup: { hostRoot: world.cgroup },
  };
  writeFileSync(join(directory, "values.json"), JSON.stringify(values));
  const arguments_ = ["template", "sansproxy", chart, "-n", "kube-system", "-f", join(directory, "values.json")];
  const objects = parseAllDocuments(execFileSync(program("helm"), arguments_, { encoding: "utf8" }));
  for (const object of objects.map((document) => document.toJS() as { kind: string; data: Record<string, string> })) {
    if (object.kind !== "DaemonSet") apply(object);
    if (object.kind === "ConfigMap") writeFileSync(join(directory, "config.json"), object.data["config.json"] ?? "");
  }
  writeFileSync(join(directory, "token"), api.kubectl("create", "token", "sansproxy", "-n", "kube-system"));
}

beforeAll(async () => {
  world = new World();
  mkdirSync(confPath);
  api = await startApiServer();
  const [cluster] = (parse(api.kubeconfig) as { clusters: { cluster: Record<string, string> }[] }).clusters;
  const port = Number(new URL(cluster?.cluster["server"] ?? "").port);
  writeFileSync(join(directory, "ca.crt"), Buffer.from(cluster?.cluster["certificate-authority-data"] ?? "", "base64"));
  relay = new Relay(port);
  installChart(port);
  addNode("node-1", NODE, "10.244.1.0/24");
  addNode("node-2", OTHER_NODE, "10.244.3.0/24");
  const ports = [{ port: 80, targetPort: 8080, nodePort: NODE_PORT }];
  const spec = { type: "NodePort", clusterIP: CLUSTER_IP, ports };
  apply({ apiVersion: "v1", kind: "Service", metadata: { name: "web", namespace: "default" }, spec });
  endpoints(8080);
  const server = world.talker(world.pod);
  await server.listen("tcp", "0.0.0.0", 8080, "old");
  await server.listen("tcp", "0.0.0.0", 8081, "new");
  await server.listen("udp", "0.0.0.0", 8080, "old");
  await server.listen("udp", "0.0.0.0", 8081, "new");
  host = world.talker(world.node, true);
  outside = world.talker(world.client);
  agent = new Agent();
}, 180_000);

afterAll(async () => {
  agent?.process.kill("SIGKILL");
  relay?.close();
  await api?.[Symbol.asyncDispose]();
  world?.cleanup.run();
  rmSync(directory, { recursive: true });
});

const answers = async (name: string) => {
  await expect.poll(async () => (await host.tcp(CLUSTER_IP, 80)).name, { timeout: 15_000 }).toBe(name);
  await expect.poll(async () => (await outside.tcp(NODE, NODE_PORT)).name, { timeout: 15_000 }).toBe(name);
};

test("an argument that it does not know is one line that names it and those it knows, and ends it as wrong configuration", () => {
  const command = [join(REPOSITORY, "agent/main.ts"), "--confg", "/etc/sansproxy/config.json"];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
  expect({ status, lines: stdout.trim().split("\n").length, stderr }).toEqual({ status: 78, lines: 1, stderr: "" });
  expect(stdout).toMatch(/--confg.*--config, --service-account, --objects/);
});

test("it becomes ready with the chart's rights and capabilities, and Services answer on the node and from outside", async () => {
  await agent.becomesReady();
  await answers("old");
  const ready = agent.readiness();
  expect(ready).toMatchObject({ reason: "", pending: 0 });
  expect(Number(ready["services"])).toBe(JSON.parse(api.kubectl("get", "svc", "-A", "-o", "json")).items.length);
});

test("it has written the CNI configuration and the routes to other nodes' pods", () => {
  const conflist = JSON.parse(readFileSync(join(confPath, "05-sansproxy.conflist"), "utf8"));
  expect(conflist.plugins[0]).toMatchObject({
    type: "ptp",
    mtu: 1500,
    ipam: { ranges: [[{ subnet: "10.244.1.0/24" }]] },
  });
  expect(world.node.ip("route", "show", "proto", "157").trim()).toBe(`10.244.3.0/24 via ${OTHER_NODE} dev eth0`);
});

test("a changed EndpointSlice reaches new connections, also after every connection to the API server was reset", async () => {
  endpoints(8081);
  await answers("new");
  for (let round = 0; round < 3; round++) {
    relay.reset();
    endpoints(8080);
    await answers("old");
    endpoints(8081);
    await answers("new");
  }
});

test("a client of UDP stays with an endpoint while that serves; once it has gone the very next datagram goes elsewhere", async () => {
  const ports = [{ port: 53, targetPort: 8080, nodePort: DNS_NODE_PORT, protocol: "UDP" }];
  const spec = { type: "NodePort", clusterIP: DNS_IP, ports };
  const clients = (key: string) => [
    () => outside.udp(NODE, DNS_NODE_PORT, { key }),
    () => host.udp(DNS_IP, 53, { key }),
  ];
  const all = async (key: string, name: string) => {
    for (const speak of clients(key)) expect(await speak()).toMatchObject({ name });
  };
  const connected = (key: string) => host.udp(DNS_IP, 53, { connected: true, key });
  const anybody = async () => (await outside.udp(NODE, DNS_NODE_PORT)).name;
  const writesOf = (kind: string) => agent.writes()[kind] ?? 0;
  const oneMore = (kind: string, before: number) =>
    expect.poll(() => writesOf(kind), { timeout: 15_000, interval: 20 }).toBeGreaterThan(before);

  const frontends = writesOf("upsert-frontend");
  dnsAt(8080);
  apply({ apiVersion: "v1", kind: "Service", metadata: { name: "dns", namespace: "default" }, spec });
  await oneMore("upsert-frontend", frontends);
  await all("first", "old");
  expect(await connected("connected")).toMatchObject({ name: "old" });
  let flips = writesOf("flip-selection");
  dnsAt(8081);
  await oneMore("flip-selection", flips);
  flips = writesOf("flip-selection");
  dnsAt(8080, DRAINING);
  await oneMore("flip-selection", flips);
  // By then what was selected before could have been cleared, too.
  const clears = writesOf("clear-backend");
  endpoints(8080);
  await oneMore("clear-backend", clears);
  expect(await anybody()).toBe("new");
  await all("first", "old");
  expect(await connected("connected")).toMatchObject({ name: "old" });

  const marks = writesOf("mark-backend");
  noDnsAt(8080);
  await oneMore("mark-backend", marks);
  await all("first", "new");
  await expect.poll(() => agent.sample("sansproxy_released_sockets_total"), { timeout: 15_000 }).toBe(1);
  expect((await connected("connected")).error).toBeDefined();
  expect(await connected("connected again")).toMatchObject({ name: "new" });

  flips = writesOf("flip-selection");
  dnsAt(8080);
  await oneMore("flip-selection", flips);
  flips = writesOf("flip-selection");
  noDnsAt(8081);
  await oneMore("flip-selection", flips);
  await all("first", "old");

  api.kubectl("delete", "service", "dns");
  noDnsAt(8080);
  endpoints(8081);
  await answers("new");
});

test("its metrics are in order by Prometheus' rules, and hold all that the dashboard and the alerts ask for", async () => {
  const text = agent.get("/metrics");
  expect(promtool(["check", "metrics"], text)).toEqual({ status: 0, said: "" });
  const there = sampleNames(text);
  const missing = chartQueries().flatMap(({ expr }) => metricNames(expr).filter((name) => !there.has(name)));
  // It has no reason for a write that failed before one did.
  expect([...new Set(missing)]).toEqual(["sansproxy_failed_writes_total"]);
  expect(agent.sample('sansproxy_map_entries{map="flows"}')).toBeGreaterThan(0);
  expect(agent.sample('sansproxy_map_entries{map="frontends"}')).toBeGreaterThan(1);
  expect(agent.sample('sansproxy_datapath_events_total{path="socket",event="translated"}')).toBeGreaterThan(0);
  // Traffic may see a write before the agent has noted that its pass is over.
  await expect.poll(() => agent.sample("sansproxy_sync_lag_seconds"), { timeout: 15_000 }).toBe(0);
});

test("killed, it leaves traffic flowing; started again, it writes nothing and attaches nothing", async () => {
  // A backend without a use is cleared after a while, by the next agent if need be: here this one has to.
  await expect.poll(() => agent.sample('sansproxy_map_entries{map="backends"}'), { timeout: 15_000 }).toBe(1);
  await agent.stop("SIGKILL");
  await answers("new");
  agent = new Agent();
  await agent.becomesReady();
  await answers("new");
  expect(agent.writes()).toEqual({});
  expect(agent.lines.filter((line) => line["message"] === "attached the programs")).toEqual([]);
});

test("what changed while it was away is right when it is ready again", async () => {
  await agent.stop("SIGKILL");
  endpoints(8080);
  await answers("new");
  agent = new Agent();
  await agent.becomesReady();
  await answers("old");
});

test("with the API server away it lives, is not ready, says why, and serves what the maps hold", async () => {
  await agent.stop("SIGTERM");
  relay.close();
  agent = new Agent();
  await expect.poll(() => agent.readiness()["reason"], { timeout: 30_000 }).toMatch(/ECONNREFUSED/);
  expect(JSON.parse(agent.get("/healthz"))).toMatchObject({ healthy: true, reason: "" });
  expect(agent.readiness()).toMatchObject({ ready: false });
  await answers("old");
});

test("told to stop it does so at once, with success, and traffic flows on", async () => {
  const before = performance.now();
  expect(await agent.stop("SIGTERM")).toBe(0);
  // After so long its Pod would be killed.
  expect(performance.now() - before).toBeLessThan(5_000);
  await answers("old");
  expect(existsSync(join(confPath, "05-sansproxy.conflist"))).toBe(true);
});

test.each(["bpf", "net_admin"])("without CAP_%s it cannot work, and says so", async (missing) => {
  const lesser = new Agent(CAPABILITIES.filter((capability) => capability !== missing));
  try {
    await vi.waitFor(() => expect(lesser.process.exitCode).toBe(1), { timeout: 30_000 });
    expect(lesser.lines.at(-1)).toMatchObject({
      level: "error",
      message: expect.stringMatching(/EPERM|EACCES|permi/i),
    });
  } finally {
    lesser.process.kill("SIGKILL");
  }
});
