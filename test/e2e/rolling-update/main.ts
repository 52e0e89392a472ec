// SPDX-License-Identifier: Apache-2.0
// `npm run rolling-update`: replaces all Pods of a Service under load, and fails when one new connection fails.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { run } from "../../../stacks/local/host/exec.ts";
import { clone } from "../../../stacks/local/host/paths.ts";
import { duration, say, step } from "../../../stacks/local/host/progress.ts";
import { compileLoad, failuresOf, RunningLoad, type Tally } from "./load.ts";
import { Interrupted, inOwnNamespace, type Kubectl } from "./own-namespace.ts";
import { clientPod, deployment, namespace, rollingService } from "./workload.ts";

interface Options {
  readonly pods: number;
  readonly rate: number;
  readonly rounds: number;
  readonly keep: boolean;
}

/** Where the connections come from: through packets of the node's devices, through sockets, through packets of a pod. */
const clients = [
  { name: "socket-client", annotations: {} },
  { name: "packet-client", annotations: { "sansproxy.io/socket-lb": "false" } },
] as const;
const rolloutTimeout = "--timeout=900s";
/** Time for what goes wrong behind the last change. */
const settleMs = 15_000;

const kubectlArgs = (...args: string[]) => ["--kubeconfig", clone.kubeconfig, ...args];
const kubectlPath = join(clone.bin, "kubectl");

const kubectl: Kubectl = (args, signal) =>
  run(kubectlPath, kubectlArgs(...args), signal === undefined ? {} : { signal });

const inNamespace = (...args: string[]) => ["--namespace", namespace, ...args];

async function apply(objects: readonly object[], signal: AbortSignal): Promise<void> {
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
  await run(kubectlPath, kubectlArgs("apply", "--filename", "-"), { input, signal });
}

interface Listed {
  readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[] };
}

/** The NodePort at each node's IPv4 address, and the ClusterIP. */
async function frontends(): Promise<{ readonly outside: string[]; readonly inside: string }> {
  const service = JSON.parse(await kubectl(inNamespace("get", "service", deployment, "-o", "json")));
  const [{ port, nodePort }] = service.spec.ports;
  const nodes = (JSON.parse(await kubectl(["get", "nodes", "-o", "json"])) as { items: Listed[] }).items;
  const addresses = nodes.flatMap(({ status }) => status.addresses);
  const own = addresses.filter(({ type, address }) => type === "InternalIP" && !address.includes(":"));
  return { outside: own.map(({ address }) => `${address}:${nodePort}`), inside: `${service.spec.clusterIP}:${port}` };
}

/** The same share of the rate from each place. */
async function startLoads(program: string, rate: number, signal: AbortSignal): Promise<RunningLoad[]> {
  const { outside, inside } = await frontends();
  const share = String(Math.ceil(rate / (clients.length + 1)));
  const ofPods = await Promise.all(
    clients.map(async ({ name }) => {
      const copy = ["exec", "--namespace", namespace, name, "-i", "--", "sh", "-c", "cat > /load && chmod 755 /load"];
      await run("sh", ["-c", '"$@" < "$0"', program, kubectlPath, ...kubectlArgs(...copy)], { signal });
      return [kubectlPath, ...kubectlArgs("exec", "--namespace", namespace, name, "-i", "--", "/load")];
    }),
  );
  const loads = [new RunningLoad("the box, by NodePort", [program, share, `${deployment}-`, ...outside], signal)];
  for (const [at, { name }] of clients.entries())
    loads.push(new RunningLoad(name, [...(ofPods[at] ?? []), share, `${deployment}-`, inside], signal));
  return loads;
}

async function replaceAll(round: number, rounds: number, signal: AbortSignal): Promise<void> {
  await step(`rolling update ${round} of ${rounds}`, async () => {
    await kubectl(inNamespace("rollout", "restart", `deployment/${deployment}`), signal);
    await kubectl(inNamespace("rollout", "status", `deployment/${deployment}`, rolloutTimeout), signal);
    await pause(settleMs, undefined, { signal });
  });
}

function report(tallies: readonly (readonly [name: string, tally: Tally])[]): number {
  let failures = 0;
  for (const [name, tally] of tallies) {
    const { seconds, answered } = tally;
    failures += failuresOf(tally);
    say(`${name}: ${answered} answered (${Math.round(answered / seconds)}/s), ${failuresOf(tally)} failed`);
    if (failuresOf(tally) > 0 || tally.notOpened > 0) say(`  ${JSON.stringify(tally)}`);
  }
  const answered = tallies.reduce((sum, [, tally]) => sum + tally.answered, 0);
  process.stdout.write(`${answered} connections answered, ${failures} failed\n`);
  return failures;
}

async function startWorkload(pods: number, signal: AbortSignal): Promise<void> {
  await step(`${pods} Pods and their clients`, async () => {
    const asking = clients.map(({ name, annotations }) => clientPod(name, annotations));
    await apply([...rollingService(pods), ...asking], signal);
    await kubectl(inNamespace("rollout", "status", `deployment/${deployment}`, rolloutTimeout), signal);
    const names = clients.map(({ name }) => `pod/${name}`);
    await kubectl(inNamespace("wait", "--for=condition=Ready", ...names, rolloutTimeout), signal);
  });
}

async function replaceUnderLoad(
  program: string,
  { pods, rate, rounds }: Options,
  signal: AbortSignal,
): Promise<number> {
  await startWorkload(pods, signal);
  const loads = await startLoads(program, rate, signal);
  const started = performance.now();
  const rolled = await (async () => {
    for (let round = 1; round <= rounds; round++) await replaceAll(round, rounds, signal);
  })().then(
    () => undefined,
    (error: unknown) => error,
  );
  const tallies = await Promise.all(loads.map(async (load) => [load.name, await load.stop()] as const));
  if (rolled !== undefined) throw rolled;
  say(`${pods} Pods replaced ${rounds} times in ${duration(performance.now() - started)}`);
  return report(tallies) === 0 ? 0 : 1;
}

async function main(options: Options): Promise<number> {
  await readFile(clone.kubeconfig).catch(() => {
    throw new Error("There is no cluster: bring it up with `npm run up -- -c sansproxy:workerMemoryMb=4096`.");
  });
  const folder = await mkdtemp(join(tmpdir(), "sansproxy-rolling-update-"));
  try {
    const program = await compileLoad(folder);
    const own = { name: namespace, keep: options.keep };
    return await inOwnNamespace(kubectl, own, (signal) => replaceUnderLoad(program, options, signal));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("It must be a whole number above 0.");
}

const command = new Command("rolling-update")
  .description("Replaces all Pods of a Service of the local stack under load; no new connection may fail.")
  .option("--pods <n>", "Pods of the Service", wholeNumber, 100)
  .option("--rate <n>", "new connections a second, from outside and from two Pods together", wholeNumber, 5000)
  .option("--rounds <n>", "how often all Pods are replaced", wholeNumber, 1)
  .option("--keep", "leave the Pods and their Service where they are", false);

try {
  process.exitCode = await main(command.parse().opts<Options>());
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof Interrupted ? 130 : 1;
}
