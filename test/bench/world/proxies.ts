// SPDX-License-Identifier: Apache-2.0
// Starts what serves the Services of a node: our agent as a process, or the real kube-proxy in one of its modes.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { obtain } from "../../../stacks/local/toolchain/build.ts";
import { compileAgent } from "../../../stacks/local/toolchain/compile-agent.ts";
import type { BenchWorld, Side } from "./bench-world.ts";
import { API_PORT } from "./cluster-objects.ts";
import { legacyIptablesPath } from "./legacy-iptables.ts";
import { LoggedProcess } from "./logged-process.ts";

const REPOSITORY = join(import.meta.dirname, "../../..");
const CLOCK_TICKS = 100;

export interface Usage {
  /** User and system time since the process began. */
  readonly cpuSeconds: number;
  readonly rssMb: number;
  readonly peakRssMb: number;
}

/** A proxy that runs. */
export class ServiceProxy extends LoggedProcess {
  constructor(world: BenchWorld, { setup, node }: Side, argv: readonly string[]) {
    super(setup, join(world.directory, `${setup}.log`), node, argv, world.cleanup);
  }

  usage(): Usage {
    this.checkAlive();
    const stat = readFileSync(`/proc/${this.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    const megabytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS,
      rssMb: megabytes("VmRSS"),
      peakRssMb: megabytes("VmHWM"),
    };
  }
}

/** What the image's entry point gives Node.js. */
function imageFlags(): string[] {
  const [, entryPoint = "[]"] =
    /^ENTRYPOINT (.+)$/m.exec(readFileSync(join(REPOSITORY, "agent/Containerfile"), "utf8")) ?? [];
  return (JSON.parse(entryPoint) as string[]).filter((argument) => argument.startsWith("--"));
}

let compiledAgent: Promise<string> | undefined;

/** As the image runs it, compiled; with `stalls`, a monitor of its event loop is loaded before, which takes CPU time itself. */
export async function startAgent(
  world: BenchWorld,
  side: Side,
  objectsDir: string,
  { stalls = false } = {},
): Promise<ServiceProxy> {
  compiledAgent ??= compileAgent();
  const program = join(await compiledAgent, "main.js");
  const config = {
    k8sServiceHost: side.apiAddress,
    k8sServicePort: API_PORT,
    ipv4NativeRoutingCIDR: "10.0.0.0/8",
    autoDirectNodeRoutes: false,
    devices: "eth0,eth1",
    "cni.install": false,
    "bpf.root": side.bpfRoot,
    "cgroup.hostRoot": side.cgroup,
    "loadBalancer.acceleration": side.setup === "ours-xdp" ? "native" : "disabled",
  };
  const path = join(world.directory, `${side.setup}.json`);
  writeFileSync(path, JSON.stringify(config));
  const monitor = stalls ? ["--import", join(import.meta.dirname, "stall-monitor.mjs")] : [];
  const paths = ["--config", path, "--service-account", world.directory, "--objects", objectsDir];
  const environment = ["env", `NODE_NAME=${side.nodeName}`, `BENCH_STALLS=${stallFile(world)}`];
  return new ServiceProxy(world, side, [
    ...environment,
    process.execPath,
    ...imageFlags(),
    ...monitor,
    program,
    ...paths,
  ]);
}

const stallFile = (world: BenchWorld): string => join(world.directory, "stalls.json");

/** The longest time that the event loop of an agent with a monitor stood still since it was last asked, in milliseconds. */
export async function longestStallMs(world: BenchWorld, agent: ServiceProxy): Promise<number> {
  const file = stallFile(world);
  rmSync(file, { force: true });
  process.kill(agent.pid, "SIGUSR2");
  const deadline = performance.now() + 30_000;
  while (!existsSync(file)) {
    agent.checkAlive();
    if (performance.now() > deadline) throw new Error("the agent did not say its stalls within 30 s; see its log");
    await new Promise((resume) => setTimeout(resume, 20));
  }
  return (JSON.parse(readFileSync(file, "utf8")) as { longestMs: number }).longestMs;
}

let kubeProxy: string | undefined;

/** The real program: an official one on PATH, one built before, or built now. */
export async function kubeProxyProgram(): Promise<string> {
  kubeProxy ??= (await obtain(["kube-proxy"])).get("kube-proxy")?.path;
  if (kubeProxy === undefined || !existsSync(kubeProxy)) throw new Error("kube-proxy could neither be found nor built");
  return kubeProxy;
}

/** With its defaults, but for what a network namespace may not set. */
export async function startKubeProxy(
  world: BenchWorld,
  side: Side,
  mode: "iptables" | "nftables",
): Promise<ServiceProxy> {
  const program = await kubeProxyProgram();
  const directory = join(world.directory, mode);
  mkdirSync(directory, { recursive: true });
  const kubeconfig = join(directory, "kubeconfig");
  const cluster = {
    server: `https://${side.apiAddress}:${API_PORT}`,
    "certificate-authority": join(world.directory, "ca.crt"),
  };
  const access = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "bench", cluster }],
    users: [{ name: "bench", user: { token: "bench" } }],
    contexts: [{ name: "bench", context: { cluster: "bench", user: "bench" } }],
    "current-context": "bench",
  };
  writeFileSync(kubeconfig, stringify(access));
  const json = "application/json";
  const config = {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode,
    hostnameOverride: side.nodeName,
    healthzBindAddress: "127.0.0.1:10256",
    metricsBindAddress: "127.0.0.1:10249",
    clientConnection: { kubeconfig, acceptContentTypes: json, contentType: json },
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
  };
  writeFileSync(join(directory, "config.yaml"), stringify(config));
  const environment = mode === "iptables" ? ["env", `PATH=${legacyIptablesPath(directory)}`] : [];
  return new ServiceProxy(world, side, [...environment, program, "--config", join(directory, "config.yaml")]);
}
