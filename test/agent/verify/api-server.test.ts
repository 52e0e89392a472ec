// SPDX-License-Identifier: Apache-2.0
// Tests the runner against a real API server, namespace and DaemonSet controllers: objects accepted, logs read, nothing left.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CoreV1Api, KubeConfig, type V1Pod } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectCluster } from "../../../agent/verify/api-client.ts";
import type { Cluster } from "../../../agent/verify/cluster.ts";
import { countObjects } from "../../../agent/verify/object-counts.ts";
import { NODE_LABEL, namespaceObject, RUN_LABEL } from "../../../agent/verify/objects.ts";
import { formatProbeReport } from "../../../agent/verify/probe-report.ts";
import { type VerifyOptions, verify } from "../../../agent/verify/runner.ts";
import { type ApiServer, startApiServer } from "../../plugins/fixtures/api-server.ts";
import { program } from "../../plugins/fixtures/programs.ts";
import { passingReport } from "./fake-cluster.ts";
import { createAgentAndDns, createNode, type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";

const missing = ["etcd", "kube-apiserver", "kubectl", "kube-controller-manager"].flatMap((name) => {
  try {
    program(name);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
});
const SLOW_MS = 120_000;
const CLI = join(import.meta.dirname, "..", "..", "..", "agent", "cli.ts");

// One after the other: each goes on with the cluster that the one before has left.
const inOrder = { shuffle: false };

describe.skipIf(missing.length > 0)(
  `a real API server${missing[0] ? ` (skipped: ${missing[0]})` : ""}`,
  inOrder,
  () => {
    const folder = mkdtempSync(join(tmpdir(), "sansproxy-verify-test-"));
    const kubeconfig = join(folder, "kubeconfig");
    const config = new KubeConfig();
    const stack = new AsyncDisposableStack();
    let server: ApiServer;
    let kubelet: HollowKubelet;
    let cluster: Cluster;

    /** What a probe would have written: everything passed, and the agent has what the API server lists now. */
    const probeLog = async (namespace: string, name: string): Promise<string> => {
      const pod: V1Pod = await config.makeApiClient(CoreV1Api).readNamespacedPod({ namespace, name });
      const report = passingReport(pod);
      const node = pod.metadata?.annotations?.[NODE_LABEL] ?? "";
      const counts = countObjects(await cluster.proxiedObjects(), node, await cluster.podsOnNode(node));
      return formatProbeReport({ ...report, agent: report.agent.map((sample) => ({ ...sample, ...counts })) });
    };
    const options = (change: Partial<VerifyOptions> = {}): VerifyOptions => ({
      ...{ expectNodes: ["a", "b"], image: undefined, timeoutMs: 60_000, pollMs: 200, cleanupTimeoutMs: 60_000 },
      ...{ progress: () => {}, signal: new AbortController().signal },
      ...change,
    });
    const ourNamespaces = async (): Promise<string[]> =>
      (await cluster.namespaces(RUN_LABEL)).map(({ metadata }) => metadata?.name ?? "");

    beforeAll(async () => {
      stack.defer(() => rmSync(folder, { recursive: true }));
      server = stack.use(await startApiServer());
      writeFileSync(kubeconfig, server.kubeconfig, { mode: 0o600 });
      config.loadFromString(server.kubeconfig);
      cluster = connectCluster(config);
      const only = "--controllers=namespace-controller,daemonset-controller";
      const flags = [`--kubeconfig=${kubeconfig}`, only, "--leader-elect=false", "--secure-port=0"];
      const controllers = spawn(program("kube-controller-manager"), flags, { stdio: "ignore" });
      const ended = once(controllers, "exit");
      stack.defer(async () => {
        controllers.kill("SIGKILL");
        await ended;
      });
      kubelet = stack.use(await startHollowKubelet(config, probeLog));
    }, SLOW_MS);

    // Everything is ended, also when one part fails to.
    afterAll(() => stack.disposeAsync(), SLOW_MS);

    it("names the nodes that are missing when the time is up, and creates nothing", { timeout: SLOW_MS }, async () => {
      const report = await verify(cluster, options({ timeoutMs: 1_000 }));
      expect(report.passed).toBe(false);
      expect(
        report.checks.filter(({ passed }) => !passed).map(({ name, node, observed }) => `${name}|${node}|${observed}`),
      ).toEqual([
        "node Ready|a|no such Node: it has not joined",
        "node Ready|b|no such Node: it has not joined",
        "agent rolled out|a|there is no DaemonSet kube-system/sansproxy: the datapath is not installed",
        "agent rolled out|b|there is no DaemonSet kube-system/sansproxy: the datapath is not installed",
        "cluster DNS available|*|there is no Deployment labelled k8s-app=kube-dns in kube-system",
      ]);
      expect(await ourNamespaces()).toEqual([]);
    });

    it("passes with every object accepted and every log read, removes its namespace and an earlier run's", {
      timeout: SLOW_MS,
    }, async () => {
      for (const name of ["a", "b"]) await createNode(config, name, kubelet.port);
      await createAgentAndDns(config);
      const run = {
        namespace: "sansproxy-verify-earlier",
        owner: "elsewhere/1",
        expires: "2020-01-01T00:00:00Z",
        image: "x",
      };
      await cluster.createNamespace(namespaceObject({ ...run, pullSecrets: [] }));
      const seen: string[] = [];
      const report = await verify(cluster, options({ progress: (message) => seen.push(message) }));
      expect(report.checks.filter(({ passed }) => !passed)).toEqual([]);
      expect(report.passed).toBe(true);
      expect(report.checks.at(-1)?.observed).toBe("2 namespaces removed");
      expect(await ourNamespaces()).toEqual([]);
      expect(seen.join("\n")).toContain("creating backends and probes on 2 nodes in namespace sansproxy-verify-");
    });

    it("says as a command what keeps the probes from running, and cleans up after Ctrl-C", {
      timeout: SLOW_MS,
    }, async () => {
      kubelet.startsPods = false;
      const args = [CLI, "verify", "--kubeconfig", kubeconfig, "--expect-nodes", "a,b", "--output", "json"];
      const command = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
      let stdout = "";
      let stderr = "";
      command.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text;
      });
      const waiting = new Promise<void>((resolve) => {
        command.stderr.setEncoding("utf8").on("data", (text: string) => {
          stderr += text;
          if (stderr.includes("waiting for 4 of 4 probes: Pod probe-")) resolve();
        });
      });
      const exited = once(command, "exit");
      await Promise.race([waiting, exited]);
      expect(await ourNamespaces()).toHaveLength(1);
      command.kill("SIGINT");
      expect(await exited).toEqual([1, null]);
      expect(stdout).toBe("");
      expect(stderr).toContain("interrupted by SIGINT: cleaning up");
      expect(stderr.trim().split("\n").at(-1)).toBe("sansproxy verify: interrupted by SIGINT; nothing was judged");
      expect(await ourNamespaces()).toEqual([]);
    });

    it("does not wait for anything when the credentials are refused", { timeout: SLOW_MS }, async () => {
      const refused = new KubeConfig();
      refused.loadFromString(server.kubeconfig.replace(/token: \S+?}/, "token: wrong}"));
      const patient = options();
      const report = await verify(connectCluster(refused), patient);
      expect(report.durationMs).toBeLessThan(patient.timeoutMs);
      expect(report.checks[0]?.observed).toMatch(
        /^could not list \w+: https:\/\/127\.0\.0\.1:\d+ answered 401: Unauthorized$/,
      );
    });
  },
);
