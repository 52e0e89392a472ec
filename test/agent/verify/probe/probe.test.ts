// SPDX-License-Identifier: Apache-2.0
// Tests a probe with real sockets on the loopback: every check passes against servers that work, and fails in words against others.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { probeCheckNames } from "../../../../agent/verify/checks.ts";
import { askTcp, askUdpConnected, askUdpUnconnected } from "../../../../agent/verify/probe/echo-client.ts";
import { type Run, runCommand } from "../../../../agent/verify/probe/machine.ts";
import { inClusterDomain } from "../../../../agent/verify/probe/name-service.ts";
import { type ProbeOptions, runProbe } from "../../../../agent/verify/probe/probe.ts";
import { surveyBackends } from "../../../../agent/verify/probe/survey.ts";
import { findProbeReport, formatProbeReport } from "../../../../agent/verify/probe-report.ts";
import type { ProbeTargets } from "../../../../agent/verify/targets.ts";
import { freePort } from "../../../support/free-port.ts";
import { makeFolder, makeProc, startAgent, startApiServer, startEcho, startNameServer } from "./loopback.ts";

const LOOPBACK = "127.0.0.1";
const quietMachine = { 1: ["/sbin/init"], 7: ["/usr/bin/kubelet", "--v=2"] };
const emptyTables: Run = async (command) => {
  if (!["iptables-nft-save", "ip6tables-nft-save", "nft"].includes(command)) throw new Error(`unexpected ${command}`);
  return "";
};

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

/** For what has to pass: how long that takes is the machine's affair. */
const PATIENT = { timeoutMs: 30_000 };

/** Everything works; each test breaks one thing, which is then known to fail after a short time. */
const prepare = async (): Promise<ProbeOptions & { targets: ProbeTargets }> => {
  const echo = await startEcho(stack, "a");
  const folder = makeFolder(stack);
  const status = { ready: true, services: 4, endpoints: 8, pending: 0, lastSync: "2026-11-23T09:00:00Z" };
  return {
    origin: "host",
    node: "a",
    timeoutMs: 300,
    serviceAccountFolder: folder,
    proc: makeProc(stack, quietMachine),
    run: emptyTables,
    targets: {
      clusterIp: { addresses: [LOOPBACK], tcpPort: echo.tcpPort, udpPort: echo.udpPort },
      nodePort: { tcpPort: echo.tcpPort, udpPort: echo.udpPort },
      nodes: [{ name: "a", addresses: [LOOPBACK] }],
      dns: {
        server: `${LOOPBACK}:${await startNameServer(stack, "10.96.0.77")}`,
        name: "echo.test.svc.cluster.local",
        addresses: ["10.96.0.77"],
      },
      kubernetes: { address: LOOPBACK, port: await startApiServer(stack, folder) },
      agent: {
        port: await startAgent(
          stack,
          () => 200,
          () => status,
        ),
      },
    },
  };
};

const failures = async (options: ProbeOptions): Promise<string[]> =>
  (await runProbe(options)).checks
    .filter((check) => !check.passed)
    .map(({ name, node, observed }) => `${name}|${node}|${observed}`);

describe("probe", () => {
  it("passes every check from a host when all answer, and brings samples of the agent home", async () => {
    const report = await runProbe({ ...(await prepare()), ...PATIENT });
    expect(report.checks.filter((check) => !check.passed)).toEqual([]);
    expect(report.checks.map(({ name }) => name)).toEqual(probeCheckNames("host"));
    expect(report.agent).toHaveLength(3);
    expect(findProbeReport(`log\n${formatProbeReport(report)}`)).toEqual(report);
  });

  it("passes every check from a pod, with the pod's own resolver", async () => {
    const options = await prepare();
    const dns = { server: "192.0.2.1", name: "localhost", addresses: [LOOPBACK] };
    const report = await runProbe({ ...options, ...PATIENT, origin: "pod", targets: { ...options.targets, dns } });
    expect(report.checks.filter((check) => !check.passed)).toEqual([]);
    expect(report.checks.map(({ name }) => name)).toEqual(probeCheckNames("pod"));
  });

  it("keeps trying until a Service answers", async () => {
    const options = await prepare();
    let ready = false;
    const port = await startAgent(
      stack,
      () => (ready ? 200 : 503),
      () => {
        const body = { ready, services: 1, endpoints: 1, pending: 0, lastSync: "now" };
        ready = true;
        return body;
      },
    );
    expect(await failures({ ...options, ...PATIENT, targets: { ...options.targets, agent: { port } } })).toEqual([]);
  });

  it("names a kube-proxy process", async () => {
    const proc = makeProc(stack, { ...quietMachine, 812: ["/usr/local/bin/kube-proxy", "--config=/c"] });
    expect(await failures({ ...(await prepare()), ...PATIENT, proc })).toEqual([
      "no kube-proxy process|a|kube-proxy runs: process 812 (/usr/local/bin/kube-proxy --config=/c)",
    ]);
  });

  it("does not pass when it cannot see the host's processes", async () => {
    const [line] = await failures({ ...(await prepare()), proc: makeProc(stack, { 1: ["node", "cli.ts"] }) });
    expect(line).toContain("only 1 processes are visible: the probe is not in the host's process namespace");
  });

  it("names kube-proxy's chains, and does not pass when they cannot be listed", async () => {
    const options = await prepare();
    const withChains: Run = async (command) =>
      command === "iptables-nft-save" ? "*nat\n:KUBE-SERVICES - [0:0]\nCOMMIT\n" : "";
    expect((await failures({ ...options, run: withChains }))[0]).toContain(
      "no kube-proxy chains|a|1 chains of kube-proxy are left: KUBE-SERVICES in table nat (iptables-nft-save); remove",
    );
    const missing: Run = (command) => runCommand(`/nowhere/${command}`, []);
    expect((await failures({ ...options, run: missing }))[0]).toBe(
      "no kube-proxy chains|a|could not be checked: /nowhere/iptables-nft-save is not in the probe's image",
    );
  });

  it("says that the agent is not ready, or does not answer", async () => {
    const options = await prepare();
    const body = { ready: false, services: 0, endpoints: 0, pending: 3, lastSync: null };
    const port = await startAgent(
      stack,
      () => 503,
      () => body,
    );
    expect((await failures({ ...options, targets: { ...options.targets, agent: { port } } }))[0]).toMatch(
      new RegExp(
        `^agent ready\\|a\\|http://127.0.0.1:${port}/readyz says not ready: 0 Services, 0 endpoints, 3 pending, last sync never`,
      ),
    );
    const closed = await freePort();
    const report = await runProbe({ ...options, targets: { ...options.targets, agent: { port: closed } } });
    expect(report.agent).toEqual([]);
    expect(report.checks.find(({ name }) => name === "agent ready")?.observed).toContain("ECONNREFUSED");
  });

  it("names the backend that never answers", async () => {
    const options = await prepare();
    const nodes = [...options.targets.nodes, { name: "b", addresses: [LOOPBACK] }];
    const lines = await failures({ ...options, targets: { ...options.targets, nodes } });
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(
      /^ClusterIP TCP from host\|a\|answered by the backends on a, none in 40 requests by the backend on b/,
    );
  });

  it("says that a ClusterIP and the node ports refuse connections", async () => {
    const options = await prepare();
    const port = await freePort();
    const clusterIp = { addresses: [LOOPBACK], tcpPort: port, udpPort: port };
    const lines = await failures({
      ...options,
      targets: { ...options.targets, clusterIp, nodePort: { tcpPort: port, udpPort: port } },
    });
    expect(lines.map((line) => line.split("|")[0])).toEqual([
      "ClusterIP TCP from host",
      "ClusterIP UDP from host",
      "ClusterIP UDP unconnected from host",
      "NodePort TCP from host",
      "NodePort UDP from host",
    ]);
    expect(lines[0]).toMatch(
      /\d+ of \d+ requests failed, no backend answered; last: TCP 127.0.0.1:\d+: connect ECONNREFUSED/,
    );
    expect(lines[3]).toMatch(/0 of 1 node addresses answered; a: TCP 127.0.0.1:\d+: connect ECONNREFUSED/);
  });

  it("asks NodePorts at the nodes' addresses in their networks alone, and says where there is none", async () => {
    const { targets, ...options } = await prepare();
    // Nobody answers at the other.
    const nodes = [{ name: "a", addresses: [LOOPBACK, "127.0.0.2"] }];
    const observed = async (cidrs: readonly string[]): Promise<string[]> => {
      const nodePort = { ...targets.nodePort, cidrs };
      const { checks } = await runProbe({ ...options, targets: { ...targets, nodes, nodePort } });
      return checks.flatMap((check) => (check.name.startsWith("NodePort") ? `${check.passed} ${check.observed}` : []));
    };
    expect(await observed([])).toEqual([
      expect.stringMatching(/^false 1 of 2 node addresses answered; a: TCP 127\.0\.0\.2/),
      expect.stringMatching(/^false 1 of 2 node addresses answered; a: UDP 127\.0\.0\.2/),
    ]);
    const one = "true 1 of 1 node addresses answered";
    expect(await observed([`${LOOPBACK}/32`, "fd00::/8"])).toEqual([one, one]);
    const none = "true not asked: no node's InternalIP is in nodePort.addresses 192.0.2.0/24";
    expect(await observed(["192.0.2.0/24"])).toEqual([none, none]);
  });

  it("says that a name resolves to another address, or not at all", async () => {
    const options = await prepare();
    const asking = async (address: string | undefined): Promise<string[]> => {
      const dns = { ...options.targets.dns, server: `${LOOPBACK}:${await startNameServer(stack, address)}` };
      return failures({ ...options, targets: { ...options.targets, dns } });
    };
    expect((await asking("10.96.0.99"))[0]).toMatch(
      /^DNS from host\|a\|echo.test.svc.cluster.local resolves to 10.96.0.99 instead of 10.96.0.77, by cluster DNS at 127/,
    );
    expect((await asking(undefined))[0]).toContain("does not resolve by cluster DNS");
  });

  it("does not trust an API server that the pod's CA did not sign", async () => {
    const options = await prepare();
    const kubernetes = { address: LOOPBACK, port: await startApiServer(stack, makeFolder(stack)) };
    expect((await failures({ ...options, targets: { ...options.targets, kubernetes } }))[0]).toMatch(
      /^kubernetes Service from host\|a\|.*(self-signed|signature)/,
    );
  });
});

describe("echo client", () => {
  it.each([
    ["TCP", askTcp, "tcpPort"],
    ["connected UDP", askUdpConnected, "udpPort"],
    ["unconnected UDP", askUdpUnconnected, "udpPort"],
  ] as const)("gets node, pod and its own address back over %s", async (_, ask, port) => {
    const echo = await startEcho(stack, "a");
    expect(await ask({ address: LOOPBACK, port: echo[port] })).toMatchObject({
      node: "a",
      pod: "echo-a",
      client: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
  });

  it("does not accept a TCP peer other than the address that was dialled", async () => {
    const echo = await startEcho(stack, "a");
    await expect(askTcp({ address: "127.1", port: echo.tcpPort })).rejects.toThrow(
      `TCP 127.1:${echo.tcpPort}: getpeername shows 127.0.0.1:${echo.tcpPort} instead of 127.1:${echo.tcpPort}`,
    );
  });

  it("does not accept an answer from another address than it asked", async () => {
    const front = createSocket("udp4").bind(0, LOOPBACK);
    const back = createSocket("udp4").bind(0, LOOPBACK);
    await Promise.all([once(front, "listening"), once(back, "listening")]);
    front.on("message", (_, peer) => back.send("{}", peer.port, peer.address));
    await expect(askUdpUnconnected({ address: LOOPBACK, port: front.address().port })).rejects.toThrow(
      /recvmsg shows 127.0.0.1:\d+ instead of/,
    );
    front.close();
    back.close();
  });

  it("asks again when a datagram is lost", async () => {
    const echo = await startEcho(stack, "a");
    const lossy = createSocket("udp4").bind(0, LOOPBACK);
    await once(lossy, "listening");
    const onward = createSocket("udp4");
    let seen = 0;
    lossy.on("message", (message, peer) => {
      seen += 1;
      if (seen === 1) return;
      onward.once("message", (answer) => lossy.send(answer, peer.port, peer.address));
      onward.send(message, echo.udpPort, LOOPBACK);
    });
    expect((await askUdpConnected({ address: LOOPBACK, port: lossy.address().port })).node).toBe("a");
    expect(seen).toBeGreaterThan(1);
    lossy.close();
    onward.close();
  });

  it("does not take another server for the test backend", async () => {
    const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n")).listen(0, LOOPBACK);
    await once(server, "listening");
    await expect(askTcp({ address: LOOPBACK, port: (server.address() as AddressInfo).port })).rejects.toThrow(
      'something else than the test backend answered: "HTTP/1.1 400',
    );
    server.close();
  });
});

describe("the test Service's name", () => {
  it.each([
    ["the default", "search run.svc.cluster.local svc.cluster.local cluster.local lan", "echo.run.svc.cluster.local"],
    ["another", "search run.svc.corp.example. svc.corp.example. corp.example.", "echo.run.svc.corp.example"],
    ["none that the kubelet tells", "search lan", "echo.run.svc.cluster.local"],
  ])("is in the cluster's DNS domain: %s", (_, search, name) => {
    expect(inClusterDomain("echo.run.svc", `nameserver 10.96.0.10\n${search}\noptions ndots:5\n`)).toBe(name);
  });
});

describe("survey of backends", () => {
  const answer = (node: string) => ({ nonce: "n", node, pod: "p", client: "c" });

  it("fails although other requests were answered when one backend is out of reach", async () => {
    let turn = 0;
    const result = await surveyBackends(
      async () => {
        turn += 1;
        if (turn % 3 === 0) throw new Error("TCP 10.96.0.7:7007: no answer within 3000 ms");
        return answer(turn % 3 === 1 ? "a" : "b");
      },
      { address: "10.96.0.7", port: 7007 },
      ["a", "b", "c"],
    );
    expect(result.passed).toBe(false);
    expect(result.observed).toMatch(
      /requests failed, answered by the backends on a, b; last: TCP 10.96.0.7:7007: no answer/,
    );
  });

  it("is content with fifty backends in a large cluster", async () => {
    const nodes = Array.from({ length: 200 }, (_, i) => `n${i}`);
    let turn = 0;
    const result = await surveyBackends(
      async () => answer(`n${turn++ % 60}`),
      { address: "10.96.0.7", port: 7007 },
      nodes,
    );
    expect(result.passed).toBe(true);
    expect(turn).toBeLessThan(60);
  });
});
