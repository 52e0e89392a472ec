// SPDX-License-Identifier: Apache-2.0
// Reviews previews that the real engine makes: a cluster before anything exists, and Cilium with other values.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hostKey, privateKey } from "../components/bare-metal-args.ts";
import { record, recording } from "../stacks/review/recorded.ts";
import { startApiServer } from "./fixtures/api-server.ts";
import { program as found } from "./fixtures/programs.ts";
import { createStack, type Run, type Stack } from "./fixtures/stack.ts";

const root = join(import.meta.dirname, "../..");
const components = JSON.stringify(join(root, "components/index.ts"));

let stack: Stack;
beforeEach(async () => {
  stack = await createStack();
});
afterEach(() => stack[Symbol.dispose]());

const succeed = async (run: Promise<Run>): Promise<string> => {
  const { code, output } = await run;
  if (code !== 0) throw new Error(`pulumi ended with ${code}:\n${output}`);
  return output;
};

const preview = async (name: string): Promise<string> => {
  const json = await succeed(stack.pulumi("preview", "--json", "--show-sames", "--stack", "local"));
  if (recording) record(name, json, { [stack.directory]: "/stack", [root]: "/sansproxy" });
  return json;
};

/** The command itself, on standard input; its exit code and what it wrote. */
const review = async (json: string, ...args: string[]): Promise<{ code: number; markdown: string; errors: string }> => {
  const run = promisify(execFile)(process.execPath, [join(root, "agent/sansproxy.mjs"), "review", "-", ...args], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  // Wrong options end it before it has read anything.
  run.child.stdin?.on("error", () => undefined).end(json);
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, markdown: stdout, errors: stderr }),
    ({ code, stdout, stderr }) => ({ code, markdown: stdout, errors: stderr }),
  );
};

test("a bare-metal cluster that does not exist yet: every node, the values, the order, and no key", async () => {
  stack.write(`
import * as pulumi from "@pulumi/pulumi";
import { BareMetalCluster, Datapath, Verification } from ${components};
const hostKey = ${JSON.stringify(hostKey)};
const cluster = new BareMetalCluster("metal", {
  hosts: [
    { name: "cp-1", role: "control-plane", address: "192.0.2.11", hostKey },
    { name: "worker-1", role: "worker", address: "192.0.2.21", hostKey },
  ],
  privateKey: pulumi.secret(${JSON.stringify(privateKey)}),
});
const datapath = new Datapath("datapath", { cluster: cluster.cluster, engine: "cilium", chartSource: ${JSON.stringify(join(root, "test/components/cilium/chart"))} }, { deletedWith: cluster });
const verification = new Verification("verification", { cluster: cluster.cluster, effectiveValues: datapath.effectiveValues }, { dependsOn: [datapath] });
export const kubeconfig = pulumi.secret(cluster.kubeconfig);
`);
  const { code, markdown } = await review(
    await preview("bare-metal-new"),
    "--fail-on",
    "flows-reset,policy,cluster-loss",
  );
  expect(code).toBe(0);
  for (const text of ["node `worker-1`", "node `cp-1`", "`kubeProxyReplacement`", "no violation", "```mermaid"]) {
    expect(markdown).toContain(text);
  }
  expect(markdown).not.toContain("THE-SSH-KEY");
  const steps = markdown.slice(markdown.indexOf("### Order of steps"));
  expect(steps.indexOf("`metal-init`")).toBeLessThan(steps.indexOf("`datapath-release`"));
  expect(steps.indexOf("`datapath-release`")).toBeLessThan(steps.indexOf("`verification-run`"));
});

test("Cilium with other values: key by key with its effect, the maps, the rollback, and the pipeline stopped", async () => {
  await using api = await startApiServer();
  const program = (options: string): string => `
import { local } from "@pulumi/command";
import { Datapath } from ${components};
const controlPlane = new local.Command("control-plane", { create: "printf host.example.com", logging: "none" });
const datapath = new Datapath("datapath", {
  cluster: {
    name: "eks", platform: "eks", kubernetesVersion: "v1.36.3",
    kubeconfig: controlPlane.stdout.apply(() => ${JSON.stringify(api.kubeconfig)}),
    apiServerHost: controlPlane.stdout, apiServerPort: 443,
    podCidrs: ["10.20.0.0/16"], serviceCidrs: controlPlane.stdout.apply(() => ["172.20.0.0/16"]), nodes: [],
    capabilities: { podCidrPerNode: false, nativeRouting: false, ownsCni: false },
  },
  engine: "cilium",
  chartSource: ${JSON.stringify(join(root, "test/components/cilium/chart"))},
  expected: { services: 1000, endpoints: 10000 },
  ${options}
});
`;
  stack.write(program(""));
  await succeed(stack.pulumi("up", "--yes", "--stack", "local"));

  const unchanged = await review(await preview("cilium-unchanged"), "--fail-on", "any-change,policy");
  expect(unchanged.code).toBe(0);
  expect(unchanged.markdown).toContain("Nothing changes");

  stack.write(program('loadBalancer: { algorithm: "maglev" }, bpf: { lbMapMax: 262144 },'));
  const changing = await preview("cilium-changed");
  const { code, markdown, errors } = await review(changing, "--fail-on", "flows-reset");
  expect(code).toBe(3);
  expect(errors).toContain('the effect on traffic is "flows-reset"');
  expect(markdown).toMatch(/\| `loadBalancer.algorithm` +\| `random` +\| `maglev` +\| new flows/);
  expect(markdown).toMatch(/\| `bpf.lbMapMax` +\| — +\| `262144` +\| \*\*existing flows reset\*\*/);
  expect(markdown).toMatch(/for the expected load: \d+ MiB before, \*\*\d+ MiB\*\* after/);
  expect((await review(changing, "--fail-on", "node-restart,cluster-loss")).code).toBe(0);
});

test("runs the preview itself in a project's folder", async () => {
  stack.write('import { local } from "@pulumi/command"; new local.Command("it", { create: "true" });');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(root, "agent/sansproxy.mjs"), "review", "--cwd", join(stack.directory, "project"), "--stack", "local"],
    {
      encoding: "utf8",
      env: { ...stack.environment, PATH: `${join(found("pulumi"), "..")}:${stack.environment["PATH"]}` },
    },
  );
  expect(stdout).toContain("<!-- sansproxy-review:trial/local -->");
  expect(stdout).toContain("1 new");
});
