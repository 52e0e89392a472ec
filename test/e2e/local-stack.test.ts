// SPDX-License-Identifier: Apache-2.0
// The whole road on a real cluster: up, interrupted and gone on with, unchanged, used, changed, and down without a trace.

import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scriptCommand, scriptInput } from "../../components/internal/bare-metal/scripts.ts";
import { earlierKubernetesVersion, kubernetesVersion } from "../../stacks/local/toolchain/programs.ts";
import { settled } from "../components/recorded-program.ts";
import { alertQueries, metricNames, panelQueries } from "../support/chart-queries.ts";
import { type NodeObject, podsByNode, readyNodes, verifiedNodes } from "./cluster-objects.ts";
import { interruptedAt } from "./interruption.ts";
import { hostnameOf, Load } from "./load.ts";
import { monitoredChart } from "./monitored-chart.ts";
import { Prometheus } from "./prometheus.ts";
import { connectionOf, datagramAnswers } from "./sockets.ts";
import { type Outcome, StackUnderTest } from "./stack-under-test.ts";
import { tracesOf } from "./traces.ts";
import { until } from "./until.ts";
import { clientPod, connectedDatagrams, hostClients, runtimeClass, sandboxed, webServers } from "./workloads.ts";

const stack = new StackUnderTest();
/** Kept when the stack is gone. */
const reports = resolve(import.meta.dirname, "../../.build/e2e");
const replicas = 20;
/** What counts failures by their reason, of which there is none. */
const emptyWhenAllIsWell = { panels: ["Failed writes A"], metrics: ["sansproxy_failed_writes_total"] };
let addresses: Record<string, string> = {};
let nodePort = { tcp: 0, udp: 0 };

/** What ended may be seen for a moment, until the box's first process has taken note of its end. */
async function noTraces(): Promise<void> {
  let left: string[] = [];
  const gone = () => {
    left = tracesOf("test", "sansproxyt");
    return left.length === 0 ? true : undefined;
  };
  await until("every trace is gone", gone).catch(() => expect(left).toEqual([]));
}

function seconds({ seconds: taken }: Outcome): string {
  return `${taken.toFixed(0)} s`;
}

beforeAll(async () => {
  await stack.run("down", "--force");
  await noTraces();
});

afterAll(async () => {
  await stack.remove();
});

describe("the local stack", () => {
  test("refuses networks that overlap before anything is made", async () => {
    const refused = await stack.up("-c", "sansproxy:podCidr=10.96.0.0/16");
    expect(refused.code).not.toBe(0);
    expect(refused.text).toMatch(/overlap/);
    expect(tracesOf("test", "sansproxyt")).toEqual([]);
  });

  test("a preview says what would be made, and makes nothing", async () => {
    const preview = await stack.up("--preview", "-c", "sansproxy:podCidr=10.244.0.0/16");
    expect(preview.code, preview.text.slice(-4000)).toBe(0);
    expect(preview.text).toMatch(/\d+ to create/);
    expect(tracesOf("test", "sansproxyt")).toEqual([]);
  });

  test("an update interrupted half-way is taken down without a trace", async () => {
    await interruptedAt(stack, "machines are made", /local-cp-1-claim created/);
    const down = await stack.run("down");
    expect(down.code, down.text.slice(-4000)).toBe(0);
    await noTraces();
  });

  test("an update interrupted at the control plane and again at a join goes on to the green end", async () => {
    await interruptedAt(stack, "the control plane is begun", /local-init creating/);
    await interruptedAt(stack, "a worker joins", /local-worker-1-join creating/);
    const gone = await stack.up();
    expect(gone.code, gone.text.slice(-4000)).toBe(0);
    for (const name of ["cp-1", "worker-1", "worker-2"]) expect(gone.text).toContain(name);
    expect(gone.text).toContain("npm run kubectl -- get nodes");
    console.log(`the last part of an up: ${seconds(gone)}`);
  });

  test("shows three Ready nodes and no kube-proxy anywhere", () => {
    expect(readyNodes(stack)).toEqual(["cp-1", "worker-1", "worker-2"]);
    const { items } = JSON.parse(stack.kubectl("get", "nodes", "--output", "json")) as { items: NodeObject[] };
    addresses = Object.fromEntries(
      items.map((node) => [
        node.metadata.name,
        node.status.addresses.find(({ type }) => type === "InternalIP")?.address ?? "",
      ]),
    );
    expect(stack.kubectl("get", "daemonsets,pods,configmaps", "--all-namespaces")).not.toContain("kube-proxy");
    for (const address of Object.values(addresses)) {
      expect(stack.ssh(address, "ps -e -o comm=")).not.toContain("kube-proxy");
      expect(stack.ssh(address, "iptables-save; nft list ruleset")).not.toMatch(/KUBE-(SVC|SERVICES)/);
    }
  });

  test("keeps the key out of what Pulumi shows and stores in plain", () => {
    const body = stack.privateKey().split("\n").slice(1, 3);
    for (const line of body) expect(stack.state()).not.toContain(line);
    expect(stack.state()).not.toMatch(/client-key-data: [A-Za-z0-9+/]{40}/);
  });

  test("an unchanged update reports no changes", async () => {
    const again = await stack.up("--expect-no-changes");
    expect(again.code, again.text.slice(-4000)).toBe(0);
    console.log(`up again, unchanged: ${seconds(again)}`);
  });

  test("serves 20 Pods behind one name, from each node and by NodePort from the box", async () => {
    stack.apply(...webServers(replicas), hostClients());
    stack.kubectl("rollout", "status", "deployment/web", "daemonset/host-client", "--timeout=180s");
    const service = JSON.parse(stack.kubectl("get", "service", "web", "--output", "json"));
    const portOf = (protocol: string) =>
      service.spec.ports.find((port: { protocol: string }) => port.protocol === protocol).nodePort;
    nodePort = { tcp: portOf("TCP"), udp: portOf("UDP") };
    for (const clients of [podsByNode(stack, "host-client"), podsByNode(stack, "web")]) {
      expect(clients.size).toBeGreaterThanOrEqual(2);
      for (const pod of clients.values()) {
        stack.kubectl("exec", pod, "--", "/agnhost", "connect", "web.default.svc.cluster.local:80", "--timeout=30s");
      }
    }
    const answered = new Set<string>();
    // Chance may leave one out in one round, and a busy machine may hold back one Pod's probe.
    for (let round = 0; round < 20 && answered.size < replicas; round++) {
      for (const address of Object.values(addresses)) {
        for (let turn = 0; turn < 100; turn++) answered.add(await hostnameOf(address, nodePort.tcp));
      }
    }
    expect(answered.size).toBe(replicas);
  });

  test("lets a Pod reach the box as its node", async () => {
    const sources: string[] = [];
    const server = createServer((socket) => {
      sources.push(socket.remoteAddress ?? "");
      socket.end();
    });
    await new Promise<void>((listening) => server.listen(0, stack.boxAddress, listening));
    const { port } = server.address() as AddressInfo;
    try {
      for (const [node, pod] of podsByNode(stack, "web")) {
        const before = sources.length;
        stack.kubectl("exec", pod, "--", "/agnhost", "connect", `${stack.boxAddress}:${port}`, "--timeout=30s");
        await until("the connection arrives", () => sources[before]);
        expect(sources.slice(before)).toEqual([addresses[node]]);
      }
    } finally {
      server.close();
    }
  });

  test("goes on serving while an agent is killed; it comes back and writes nothing", async () => {
    const address = addresses["worker-1"] ?? "";
    const load = new Load(Object.values(addresses).map((host) => ({ host, port: nodePort.tcp })));
    const pod = podsByNode(stack, "sansproxy", "kube-system").get("worker-1") ?? "";
    const restarts = () =>
      stack.kubectl("get", "pod", pod, "--namespace=kube-system", "--output=jsonpath={..restartCount}");
    const before = restarts();
    stack.ssh(address, "kill -9 $(pgrep -f '[/]opt/sansproxy/dist/agent/main.js')");
    await until("the agent is started again", () => (restarts() !== before ? true : undefined));
    // The connections go on meanwhile: nothing may hold up this process.
    await stack.kubectlMeanwhile(
      "wait",
      "--namespace=kube-system",
      `pod/${pod}`,
      "--for=condition=Ready",
      "--timeout=120s",
    );
    const enough = load.answered + 1_000;
    await until("1,000 more connections are answered", () => (load.answered >= enough ? true : undefined));
    const { answered, failures } = await load.stop();
    console.log(`${answered} connections while the agent was away and after`);
    expect(failures).toEqual([]);
    const metrics = await (await fetch(`http://${address}:10256/metrics`)).text();
    const writes = [...metrics.matchAll(/^sansproxy_writes_total\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
    expect(metrics).toContain("\nsansproxy_ready 1\n");
    expect(metrics).toMatch(/^sansproxy_frontends [1-9]/m);
    expect(metrics).toContain("# TYPE sansproxy_writes_total counter");
    expect(writes.filter((count) => count !== 0)).toEqual([]);
  });

  test("replaces all Pods of a Service while new connections come, and not one of these fails", async () => {
    const load = new Load(Object.values(addresses).map((host) => ({ host, port: nodePort.tcp })));
    stack.kubectl("rollout", "restart", "deployment/web");
    await stack.kubectlMeanwhile("rollout", "status", "deployment/web", "--timeout=180s");
    const enough = load.answered + 1_000;
    await until("1,000 more connections are answered", () => (load.answered >= enough ? true : undefined));
    const { answered, failures } = await load.stop();
    console.log(`${answered} connections while ${replicas} Pods were replaced`);
    expect(failures).toEqual([]);
  });

  test("a worker added later joins, the others stay as they are but for new values, and every node is verified again", async () => {
    const socketLB = { bypassRuntimeClasses: sandboxed, terminatePodConnections: true };
    const values = JSON.stringify({ socketLB });
    const grown = await stack.up("-c", "sansproxy:workers=3", "-c", `sansproxy:helmValues=${values}`);
    expect(grown.code, grown.text.slice(-4000)).toBe(0);
    expect(readyNodes(stack)).toEqual(["cp-1", "worker-1", "worker-2", "worker-3"]);
    expect(grown.text).not.toMatch(/(cp-1|worker-1|worker-2)\S* (replaced|updated|deleted)/);
    expect(verifiedNodes(grown.text)).toEqual(readyNodes(stack));
    console.log(`a worker added: ${seconds(grown)}`);
  });

  test("tells an operator what a node serves, and why", async () => {
    const agent = podsByNode(stack, "sansproxy", "kube-system").get("worker-1") ?? "";
    const sansproxy = (...args: string[]) =>
      stack.kubectl("exec", "--namespace=kube-system", agent, "--", "sansproxy", ...args);
    const service = JSON.parse(stack.kubectl("get", "service", "web", "--output", "json")).spec.clusterIP;
    expect(sansproxy("status")).toMatch(/^Agent: +ready$/m);
    expect(sansproxy("service", "list")).toContain(`${service}:80`);
    const endpoints = () => sansproxy("explain", `${service}:80`).match(/^ {2}-> .* in: /gm)?.length;
    // A busy machine may hold back one Pod's probe.
    await expect.poll(endpoints, { timeout: 120_000 }).toBe(2 * replicas);
    for (const command of [["status"], ["service", "list"], ["explain", `${service}:80`], ["drops"]])
      expect(JSON.parse(sansproxy(...command, "-o", "json"))).toBeInstanceOf(Object);
  });

  test("leaves the sockets of a Pod alone that asks for it, by annotation or by RuntimeClass, and serves its packets", async () => {
    const annotations = { "sansproxy.io/socket-lb": "false" };
    const pods = ["plain", "annotated", "sandboxed"];
    stack.apply(
      runtimeClass(),
      clientPod("plain"),
      clientPod("annotated", { annotations }),
      clientPod("sandboxed", { runtimeClassName: sandboxed }),
    );
    stack.kubectl("wait", ...pods.map((pod) => `pod/${pod}`), "--for=condition=Ready", "--timeout=120s");
    const service = JSON.parse(stack.kubectl("get", "service", "web", "--output", "json")).spec.clusterIP;
    const plain = connectionOf(stack, "plain", service, 80);
    expect(plain).toEqual({
      peer: expect.stringMatching(/^10\.244\.\d+\.\d+:8080$/),
      answeredBy: expect.stringMatching(/^web-/),
    });
    for (const pod of ["annotated", "sandboxed"]) {
      // A Pod is found when it has its addresses; until then its sockets are served like any other's.
      const left = await until(`the sockets of ${pod} are left alone`, () => {
        const connection = connectionOf(stack, pod, service, 80);
        return connection.peer === `${service}:80` ? connection : undefined;
      });
      expect(left.answeredBy).toMatch(/^web-/);
      const names = new Set(Array.from({ length: 20 }, () => connectionOf(stack, pod, service, 80).answeredBy));
      expect(names.size).toBeGreaterThan(1);
    }
    // A drain leaves Pods that nothing would bring back.
    stack.kubectl("delete", "pods", ...pods, "--wait=false");
  });

  test("has a Pod's connected UDP socket let go of an endpoint that has left its Service", async () => {
    stack.apply(clientPod("datagrams", { command: connectedDatagrams("web.default.svc.cluster.local") }));
    stack.kubectl("wait", "pod/datagrams", "--for=condition=Ready", "--timeout=120s");
    const first = await until("a datagram is answered", () => datagramAnswers(stack, "datagrams")[0]);
    // It lives, and would go on answering: only the Service does not lead to it any more.
    stack.kubectl("label", "pod", first, "app=retired", "--overwrite");
    const next = await until("the socket moves on", () => {
      const last = datagramAnswers(stack, "datagrams").at(-1);
      return last !== first ? last : undefined;
    });
    expect(next).toMatch(/^web-/);
    stack.kubectl("delete", "pod", first, "datagrams", "--wait=false");
  });

  test("a worker removed is drained and taken away while the others serve", async () => {
    const load = new Load([{ host: addresses["cp-1"] ?? "", port: nodePort.tcp }]);
    const shrunk = await stack.up("-c", "sansproxy:workers=2");
    const { answered, failures } = await load.stop();
    expect(shrunk.code, shrunk.text.slice(-4000)).toBe(0);
    expect(readyNodes(stack)).toEqual(["cp-1", "worker-1", "worker-2"]);
    expect(answered).toBeGreaterThan(0);
    console.log(`a worker removed: ${seconds(shrunk)}, ${answered} connections answered, ${failures.length} failed`);
  });

  test("goes to the next version host by host while everything answers, and goes on after Ctrl-C half-way", async () => {
    stack.kubernetesVersion = kubernetesVersion;
    const load = new Load(Object.values(addresses).map((host) => ({ host, port: nodePort.tcp })));
    const begun = await interruptedAt(stack, "a worker is upgraded", /local-worker-1-upgrade updating/);
    for (const name of ["cp-1", "worker-1", "worker-2"]) {
      expect(begun).toContain(`${name} goes from Kubernetes ${earlierKubernetesVersion} to ${kubernetesVersion}`);
    }
    const upgraded = await stack.up();
    const { answered, failures } = await load.stop();
    expect(upgraded.code, upgraded.text.slice(-4000)).toBe(0);
    console.log(`the last part of an upgrade: ${seconds(upgraded)}; ${answered} connections answered meanwhile`);
    expect(failures).toEqual([]);

    const { items } = JSON.parse(stack.kubectl("get", "nodes", "--output", "json")) as { items: NodeObject[] };
    for (const { metadata, spec, status } of items) {
      expect(status.nodeInfo.kubeletVersion, metadata.name).toBe(kubernetesVersion);
      expect(spec.unschedulable, metadata.name).toBeUndefined();
    }
    const system = stack.kubectl("get", "pods", "--namespace=kube-system", "--output=jsonpath={..image}");
    for (const name of ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]) {
      expect(system).toContain(`${name}:${kubernetesVersion}`);
      expect(system).not.toContain(`${name}:${earlierKubernetesVersion}`);
    }
    expect(stack.kubectl("get", "daemonsets,pods,configmaps", "--all-namespaces")).not.toContain("kube-proxy");
  });

  test("refuses to go back to a version, at the preview", async () => {
    stack.kubernetesVersion = earlierKubernetesVersion;
    const refused = await stack.up("--preview");
    stack.kubernetesVersion = kubernetesVersion;
    expect(refused.code).not.toBe(0);
    expect(refused.text).toMatch(
      /kubernetesVersion: is v1\.36\.2 and the cluster runs v1\.36\.3, .*takes no cluster back/,
    );
  });

  test("serves a certificate for another name as soon as it is asked for, without a restart of the API server", async () => {
    const address = addresses["cp-1"] ?? "";
    const configuration = stack.ssh(address, "cat /etc/sansproxy/kubeadm/init.yaml");
    const cluster = stack.ssh(address, "sed -n 's/^cluster=//p' /etc/sansproxy/claim").trim();
    const served = () =>
      stack.ssh(address, "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -text");
    const started = stack.kubectl("get", "pod", "kube-apiserver-cp-1", "--namespace=kube-system", "--output=json");
    for (const [name, there] of [
      ["api.example", true],
      ["", false],
    ] as const) {
      const variables = {
        ...{ HOST_NAME: "cp-1", HOST_ADDRESS: address, HOST_ROLE: "control-plane", HOST_FIRST: "yes" },
        ...{ CLUSTER_ID: cluster, API_PORT: 6443 },
        KUBEADM_INIT: name === "" ? configuration : configuration.replace("certSANs:\n", `certSANs:\n    - ${name}\n`),
      };
      stack.ssh(address, scriptCommand("update", 300, false), await settled(scriptInput("certificate", variables)));
      expect(served().includes("api.example")).toBe(there);
    }
    const { status } = JSON.parse(started);
    expect(stack.kubectl("get", "pod", "kube-apiserver-cp-1", "--namespace=kube-system", "--output=json")).toContain(
      status.containerStatuses[0].containerID,
    );
  });

  test("is verified by hand as the update did", async () => {
    const verified = await stack.verify();
    expect(verified.code, verified.text.slice(-4000)).toBe(0);
  });

  test("is watched by a real Prometheus: every panel has data, every alert is evaluated, and none fires", async () => {
    const { rules, dashboard, scrape } = monitoredChart(stack);
    const prometheus = await Prometheus.start(scrape, rules);
    try {
      const nodes = async () =>
        (await prometheus.query("sansproxy_ready == 1")).map(({ metric }) => metric["node"]).sort();
      await expect.poll(nodes, { timeout: 120_000 }).toEqual(["cp-1", "worker-1", "worker-2"]);
      // Something to see: endpoints that change, and packets from outside.
      stack.kubectl("scale", "deployment/web", `--replicas=${replicas - 1}`);
      for (const host of Object.values(addresses)) await hostnameOf(host, nodePort.tcp);
      const queries = panelQueries(dashboard).map(({ name, expr }) => ({
        name,
        expr: expr.replaceAll("$__rate_interval", "30s").replaceAll("$node", ".*"),
      }));
      const empty = async () => {
        const answers = await Promise.all(queries.map(({ expr }) => prometheus.query(expr)));
        return queries.filter((_, index) => answers[index]?.length === 0).map(({ name }) => name);
      };
      await expect.poll(empty, { timeout: 120_000, interval: 1_000 }).toEqual(emptyWhenAllIsWell.panels);
      const alerts = alertQueries(rules);
      for (const metric of new Set(alerts.flatMap(({ expr }) => metricNames(expr))))
        if (!emptyWhenAllIsWell.metrics.includes(metric))
          expect(await prometheus.query(`count(last_over_time(${metric}[1m]))`), metric).toHaveLength(1);
      const evaluated = await prometheus.rules();
      expect(evaluated.map(({ name, health, lastError }) => [name, health, lastError])).toEqual(
        alerts.map(({ name }) => [name, "ok", undefined]),
      );
      expect(await prometheus.query('ALERTS{alertstate="firing"}')).toEqual([]);
    } finally {
      await prometheus.stop();
      stack.kubectl("scale", "deployment/web", `--replicas=${replicas}`);
    }
  });

  test("passes the network tests that every conformant Kubernetes has to pass", async () => {
    const conformance = await stack.run("e2e", "--running", "--conformance", "--processes", "5", "--reports", reports);
    const closing = conformance.text.match(/^(\d+) passed, (\d+) failed, (\d+) skipped$/m);
    const [, passed, failed, skipped] = (closing ?? []).map(Number);
    expect({ failed, skipped, code: conformance.code }, conformance.text.slice(-8000)).toEqual({
      failed: 0,
      skipped: 0,
      code: 0,
    });
    expect(passed).toBeGreaterThan(40);
    expect(readFileSync(join(reports, "junit.xml"), "utf8")).toContain(`tests="${passed}" failures="0" skipped="0"`);
    console.log(`${passed} conformance tests: ${seconds(conformance)}; ${reports}/report.md`);
  });

  test("leaves nothing on the box when it is taken down", async () => {
    const down = await stack.run("down");
    expect(down.code, down.text.slice(-4000)).toBe(0);
    console.log(`down: ${seconds(down)}`);
    await noTraces();
  });
});
