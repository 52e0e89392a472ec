// SPDX-License-Identifier: Apache-2.0
// Tests the command as a person and a Pod run it: usage errors, kubeconfig, echo and probe as processes, the npx entry.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseDuration, parseNodeNames } from "../../../agent/verify/arguments.ts";
import { type KubeconfigSource, loadKubeconfig } from "../../../agent/verify/kubeconfig.ts";
import { findProbeReport } from "../../../agent/verify/probe-report.ts";

const AGENT = join(import.meta.dirname, "..", "..", "..", "agent");
const CLI = join(AGENT, "cli.ts");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sansproxy-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const kubeconfig = (server: string): string =>
  JSON.stringify({
    ...{ apiVersion: "v1", kind: "Config", "current-context": "x" },
    clusters: [{ name: "c", cluster: { server } }],
    users: [{ name: "u", user: { token: "very-secret" } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
  });

const run = (args: readonly string[], input = ""): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [CLI, ...args], {
    ...{ cwd: folder, input, encoding: "utf8" },
    env: { PATH: process.env["PATH"], HOME: folder },
  });

describe("sansproxy", () => {
  it.each([
    ["--timeout", "5", "A duration is a number with a unit"],
    ["--expect-nodes", "W_1", '"W_1" is not one'],
    ["--output", "xml", "Allowed choices are table, json"],
    ["--kubeconfig", "/nowhere/config", "the kubeconfig /nowhere/config cannot be read: ENOENT"],
  ])("refuses %s %s with status 2 and one sentence", (option, value, message) => {
    const { status, stdout, stderr } = run(["verify", option, value]);
    expect({ status, stdout, lines: stderr.trim().split("\n").length }).toEqual({ status: 2, stdout: "", lines: 1 });
    expect(stderr).toContain(message);
  });

  it("says where it looked when there is no kubeconfig", () => {
    const { status, stderr } = run(["verify"]);
    expect(status).toBe(2);
    expect(stderr).toContain(
      "no kubeconfig found: KUBECONFIG is not set, and neither .sansproxy/kubeconfig nor ~/.kube/config exists",
    );
  });

  it("reads the kubeconfig from standard input, and says as JSON and as a table that the API server is not there", () => {
    const { status, stdout, stderr } = run(
      ["verify", "--kubeconfig", "-", "--timeout", "1500ms", "--output", "json"],
      kubeconfig("http://127.0.0.1:1"),
    );
    expect(status).toBe(1);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ passed: false, checks: [{ name: "node Ready", node: "*", passed: false }] });
    expect(report.checks[0].observed).toMatch(/http:\/\/127\.0\.0\.1:1 cannot be reached/);
    expect(stderr).toContain("FAILED: 0 of 1 checks passed");
    expect(stdout + stderr).not.toContain("very-secret");
  });

  it("tells a wrong call of release-load-balancers from an API server that is not there", () => {
    const wrong = run(["release-load-balancers", "--kubeconfig", "/nowhere/config"]);
    expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining("cannot be read: ENOENT") });
    const away = run(["release-load-balancers", "--kubeconfig", "-"], kubeconfig("http://127.0.0.1:1"));
    expect(away.status).toBe(1);
    expect(away.stderr).toMatch(
      /^sansproxy: could not list Services: http:\/\/127\.0\.0\.1:1 cannot be reached: .*\n$/,
    );
  });

  it("does not show what a broken kubeconfig holds", () => {
    const { status, stderr } = run(["verify", "--kubeconfig", "-"], "token: very-secret\n\t: [");
    expect(status).toBe(2);
    expect(stderr).toBe(
      "sansproxy verify: the kubeconfig from standard input cannot be parsed: it must be YAML or JSON of kind Config\n",
    );
  });

  it("serves as a backend that a probe finds, and ends on SIGTERM", async () => {
    const echo: ChildProcess = spawn(process.execPath, [CLI, "echo", "--port", "0", "--host", "127.0.0.1"], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { NODE_NAME: "a", POD_NAME: "echo-a" },
    });
    const [line] = (await once(echo.stderr ?? echo, "data")) as [Buffer];
    const [, tcpPort, udpPort] = /TCP (\d+) and UDP (\d+)/.exec(line.toString())?.map(Number) ?? [];
    const targets = join(folder, "targets.json");
    const ports = { tcpPort, udpPort };
    writeFileSync(
      targets,
      JSON.stringify({
        clusterIp: { addresses: ["127.0.0.1"], ...ports },
        nodePort: ports,
        nodes: [{ name: "a", addresses: ["127.0.0.1"] }],
        dns: { server: "127.0.0.1", name: "echo.run.svc", addresses: [] },
        kubernetes: { address: "127.0.0.1", port: 1 },
        agent: { port: 1 },
      }),
    );
    const probe = run(["probe", "--from", "pod", "--node", "a", "--targets", targets, "--timeout", "200ms"]);
    const failed = findProbeReport(probe.stdout)?.checks.filter((check) => !check.passed);
    expect(failed?.map(({ name }) => name)).toEqual(["DNS from pod", "kubernetes Service from pod"]);
    expect(probe.status).toBe(1);
    // The domain is this machine's affair; that there is one was read off its resolv.conf.
    expect(probe.stderr).toMatch(/DNS from pod, node a: echo\.run\.svc\.[a-z][-.a-z0-9]* is nowhere/);
    expect(probe.stderr).toContain("kubernetes Service from pod, node a: https://127.0.0.1:1/version");
    echo.kill("SIGTERM");
    expect(await once(echo, "exit")).toEqual([0, null]);
  });

  it("loads no Kubernetes client for echo, probe and the operator: the image has none", { timeout: 30_000 }, () => {
    const bare = join(folder, "opt", "agent");
    mkdirSync(bare, { recursive: true });
    const folders = ["verify", "operator", "core"].map((name) => join(AGENT, name));
    const copied = spawnSync("cp", ["-r", CLI, ...folders, bare]);
    expect(copied.status).toBe(0);
    mkdirSync(join(folder, "opt", "node_modules"));
    writeFileSync(join(folder, "opt", "package.json"), '{"type":"module"}');
    expect(
      spawnSync("cp", ["-r", join(AGENT, "..", "node_modules", "commander"), join(folder, "opt", "node_modules")])
        .status,
    ).toBe(0);
    const start = (...args: string[]): string =>
      spawnSync(process.execPath, [join(bare, "cli.ts"), ...args], { encoding: "utf8" }).stderr;
    expect(start("echo", "--port", "1", "--host", "192.0.2.1")).toContain("EADDRNOTAVAIL");
    expect(start("probe", "--from", "pod", "--node", "a", "--targets", "/nowhere")).toContain("ENOENT");
    expect(start("status", "--port", "1")).toContain("no agent answers at 127.0.0.1:1 (");
    expect(start("verify")).toContain("@kubernetes/client-node");
  });
});

describe("npx entry", () => {
  it("runs the command and passes its exit status on", () => {
    const entry = spawnSync(process.execPath, [join(AGENT, "sansproxy.mjs"), "verify", "--output", "xml"], {
      encoding: "utf8",
    });
    expect(entry.status).toBe(2);
    expect(entry.stderr).toContain("Allowed choices are table, json");
  });

  it.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("gives the exit status that a shell gives a command that %s ended", (signal, status) => {
    const ended = join(folder, "agent", "cli.ts");
    mkdirSync(join(ended, ".."));
    copyFileSync(join(AGENT, "sansproxy.mjs"), join(folder, "agent", "sansproxy.mjs"));
    writeFileSync(ended, `process.kill(process.pid, "${signal}");\nsetInterval(() => {}, 1_000);\n`);
    expect(spawnSync(process.execPath, [join(folder, "agent", "sansproxy.mjs"), "verify"]).status).toBe(status);
  });

  it("tells the package's version", () => {
    const { version } = JSON.parse(readFileSync(join(AGENT, "..", "package.json"), "utf8"));
    const entry = spawnSync(process.execPath, [join(AGENT, "sansproxy.mjs"), "--version"], { encoding: "utf8" });
    expect(entry).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("says what to do when an installed package was not built", () => {
    const installed = join(folder, "node_modules", "sansproxy", "agent");
    mkdirSync(installed, { recursive: true });
    copyFileSync(join(AGENT, "sansproxy.mjs"), join(installed, "sansproxy.mjs"));
    chmodSync(join(installed, "sansproxy.mjs"), 0o755);
    const entry = spawnSync(process.execPath, [join(installed, "sansproxy.mjs"), "verify"], { encoding: "utf8" });
    expect(entry.status).toBe(2);
    expect(entry.stderr).toContain("cli.js is missing: the package was not built");
  });
});

describe("kubeconfig", () => {
  const source = (change: Partial<KubeconfigSource> = {}): KubeconfigSource => ({
    ...{ kubeconfig: undefined, environment: {}, workingFolder: join(folder, "work"), home: join(folder, "home") },
    readStdin: () => {
      throw new Error("standard input is not read");
    },
    ...change,
  });
  const write = (path: string, server: string): string => {
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, kubeconfig(server));
    return path;
  };
  const server = (change?: Partial<KubeconfigSource>): string | undefined =>
    loadKubeconfig(source(change)).getCurrentCluster()?.server;

  it("comes from KUBECONFIG, then this project, then the home folder", () => {
    write(join(folder, "home", ".kube", "config"), "https://home");
    expect(server()).toBe("https://home");
    write(join(folder, "work", ".sansproxy", "kubeconfig"), "https://project");
    expect(server()).toBe("https://project");
    const named = write(join(folder, "named"), "https://named");
    expect(server({ environment: { KUBECONFIG: `${join(folder, "missing")}:${named}` } })).toBe("https://named");
    expect(server({ kubeconfig: named })).toBe("https://named");
    expect(server({ kubeconfig: "-", readStdin: () => kubeconfig("https://stdin") })).toBe("https://stdin");
  });

  it("must name a cluster", () => {
    expect(() => server({ kubeconfig: "-", readStdin: () => "{}" })).toThrow(
      "the kubeconfig from standard input names no cluster in its current context",
    );
  });
});

describe("option values", () => {
  it("are durations with units", () => {
    expect(["500ms", "90s", "5m", "1m30s", "1h"].map(parseDuration)).toEqual([500, 90_000, 300_000, 90_000, 3_600_000]);
    for (const wrong of ["", "5", "0s", "25h", "-1s", "1.5m"])
      expect(() => parseDuration(wrong)).toThrow("A duration is");
  });

  it("are Node names, each once", () => {
    expect(parseNodeNames("cp-1, w-1,w-1,ip-10-0-0-1.ec2.internal")).toEqual([
      "cp-1",
      "w-1",
      "ip-10-0-0-1.ec2.internal",
    ]);
    expect(() => parseNodeNames("a,,b")).toThrow('"" is not one');
  });
});
