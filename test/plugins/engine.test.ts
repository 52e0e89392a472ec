// SPDX-License-Identifier: Apache-2.0
// Runs whole lives of a stack with the real engine: the stand-ins must not be told from plugins by what happens.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type ApiServer, startApiServer } from "./fixtures/api-server.ts";
import { type Sshd, startSshd } from "./fixtures/sshd.ts";
import { createStack, type Run, type Stack } from "./fixtures/stack.ts";

let sshd: Sshd;
let stack: Stack;

beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(async () => {
  await sshd[Symbol.asyncDispose]();
});
beforeEach(async () => {
  stack = await createStack();
});
afterEach(() => stack[Symbol.dispose]());

const succeed = async (run: Promise<Run>): Promise<string> => {
  const { code, output } = await run;
  if (code !== 0) throw new Error(`pulumi ended with ${code}:\n${output}`);
  return output;
};
const up = (...args: string[]): Promise<string> => succeed(stack.pulumi("up", "--yes", "--stack", "local", ...args));

const head = (): string => `
import * as pulumi from "@pulumi/pulumi";
import { local, remote } from "@pulumi/command";
const connection = ${JSON.stringify({ host: "127.0.0.1", port: sshd.port, hostKey: sshd.hostKey, privateKey: sshd.privateKey })};
`;

/** A program with a copy, a remote command that reads it, and one that works on a secret output of the first. */
const program = (text: string): string => `${head()}
export default async (): Promise<Record<string, pulumi.Output<string>>> => {
  const copy = new remote.CopyToRemote("copy", {
    connection, source: new pulumi.asset.StringAsset(${JSON.stringify(text)}), remotePath: "${stack.directory}/copied",
  });
  const read = new remote.Command("read", {
    connection, create: "cat ${stack.directory}/copied", triggers: [${JSON.stringify(text)}], logging: "none",
    addPreviousOutputInEnv: false,
  }, { dependsOn: copy, additionalSecretOutputs: ["stdout", "stderr"] });
  const twice = new local.Command("twice", { create: 'a=$(cat); echo "$a$a"', stdin: read.stdout, logging: "none" },
    { additionalSecretOutputs: ["stdout"] });
  return { twice: twice.stdout, plain: pulumi.output("plain") };
};
`;

test("a stack is made, left alone, changed, and destroyed", async () => {
  stack.write(program("plaintext-one"));
  const preview = await succeed(stack.pulumi("preview", "--stack", "local"));
  expect(preview).toContain("+ 4 to create");
  const made = await up();
  expect(made).toContain("+ 4 created");
  expect(made).toContain("using pulumi-resource-command from $PATH");
  expect(made).not.toContain("plaintext-one");
  expect(await up("--expect-no-changes")).toContain("4 unchanged");

  const outputs = await succeed(stack.pulumi("stack", "output", "--json", "--show-secrets", "--stack", "local"));
  expect(JSON.parse(outputs)).toEqual({ plain: "plain", twice: "plaintext-oneplaintext-one" });

  stack.write(program("plaintext-two"));
  const changing = await succeed(stack.pulumi("preview", "--stack", "local"));
  expect(changing).toContain("~ 2 to update");
  expect(changing).toContain("+-1 to replace");
  await up();
  const changed = await succeed(stack.pulumi("stack", "output", "twice", "--show-secrets", "--stack", "local"));
  expect(changed.trim()).toBe("plaintext-twoplaintext-two");

  expect(await succeed(stack.pulumi("destroy", "--yes", "--stack", "local"))).toContain("- 4 deleted");
});

test("secrets are encrypted in the state: a key, a secret output, a secret input", async () => {
  stack.write(`${head()}
    const secret = pulumi.secret("plaintext-of-stdin");
    new remote.Command("one", { connection, create: "cat >/dev/null; echo plaintext-of-stdout", stdin: secret, logging: "none" },
      { additionalSecretOutputs: ["stdout"] });
  `);
  await up();
  const state = stack.state();
  expect(state).toContain("command:remote:Command");
  const keyText = sshd.privateKey.split("\n")[1] ?? "";
  for (const hidden of ["plaintext-of-stdin", `"plaintext-of-stdout"`, keyText, "PRIVATE KEY"]) {
    expect(state).not.toContain(hidden);
  }
});

test("a failing command fails the update with its output, and what was made before it stays", async () => {
  stack.write(`${head()}
    const good = new local.Command("good", { create: "echo fine" });
    new remote.Command("bad", { connection, create: "echo the reason >&2; exit 9", stdin: pulumi.secret("a-token") }, { dependsOn: good });
  `);
  const { code, output } = await stack.pulumi("up", "--yes", "--stack", "local");
  expect(code).not.toBe(0);
  expect(output).toContain("Process exited with status 9");
  expect(output).toContain("the reason");
  expect(output).not.toContain("a-token");
  expect(stack.state()).toContain("command:local:Command");
  expect(stack.state()).not.toContain("command:remote:Command");
});

test("a program that throws is reported once, with its message", async () => {
  stack.write('throw new Error("the program is wrong");');
  const { code, output } = await stack.pulumi("up", "--yes", "--stack", "local");
  expect(code).not.toBe(0);
  expect(output).toContain("the program is wrong");
  expect(output).not.toContain("exited with non-zero exit code");
});

test("an input that does not exist stops the update at the preview, by name", async () => {
  stack.write(
    `${head()} new remote.Command("odd", { create: "true", connection: { ...connection, hostkey: "x" } as never });`,
  );
  const { code, output } = await stack.pulumi("preview", "--stack", "local");
  expect(code).not.toBe(0);
  expect(output).toContain("connection.hostkey");
  expect(output).toContain("is not an input of this resource");
});

test("configuration reaches the program, secrets as secrets", async () => {
  await succeed(stack.pulumi("config", "set", "greeting", "hello", "--stack", "local"));
  await succeed(stack.pulumi("config", "set", "--secret", "word", "plaintext-word", "--stack", "local"));
  stack.write(`${head()}
    const config = new pulumi.Config();
    export const said = config.require("greeting");
    export const word = config.requireSecret("word");
    export const directory = process.cwd().split("/").at(-1);
  `);
  const output = await up();
  expect(output).toContain('said     : "hello"');
  expect(output).toContain("word     : [secret]");
  expect(output).toContain('directory: "stacks"');
  expect(stack.state()).not.toContain("plaintext-word");
});

test("Ctrl-C ends the running command, keeps what is done, and the next up goes on", async () => {
  const marker = join(stack.directory, "go-on");
  const started = join(stack.directory, "started");
  stack.write(`${head()}
    const first = new local.Command("first", { create: "date +%N" });
    const slow = new local.Command("slow", {
      create: "touch ${started}; test -e ${marker} || exec sleep 300",
    }, { dependsOn: first });
    export const when = first.stdout;
    export const ended = slow.stdout;
  `);
  const running = stack.start("up", "--yes", "--stack", "local");
  await expect.poll(() => existsSync(started), { timeout: 60_000 }).toBe(true);
  running.process.kill("SIGINT");
  const { code, output } = await running.result;
  expect(code).not.toBe(0);
  expect(output).toContain("cancelled: running");
  const first = (text: string): unknown =>
    (
      JSON.parse(text) as { checkpoint: { latest: { resources: { urn: string; outputs?: { stdout?: string } }[] } } }
    ).checkpoint.latest.resources.find(({ urn }) => urn.endsWith("::first"))?.outputs?.stdout;
  const before = first(stack.state());
  expect(before).toMatch(/^\d+$/);
  writeFileSync(marker, "");
  expect(await up()).toContain("+ 1 created");
  expect(first(stack.state())).toBe(before);
});

test("a Release and an object follow a kubeconfig that is known only after the first command", async () => {
  const api: ApiServer = await startApiServer();
  try {
    const kubeconfig = join(stack.directory, "kubeconfig");
    writeFileSync(kubeconfig, api.kubeconfig, { mode: 0o600 });
    const chart = join(stack.directory, "chart");
    const files = { "Chart.yaml": "apiVersion: v2\nname: demo\nversion: 1.0.0\n", "values.yaml": "a: 1\n" };
    const config = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-chart}\ndata: {a: "{{ .Values.a }}"}\n';
    mkdirSync(join(chart, "templates"), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(chart, name), text);
    writeFileSync(join(chart, "templates/config.yaml"), config);
    const source = (value: number): string => `${head()}
      import * as k8s from "@pulumi/kubernetes";
      const cluster = new remote.Command("kubeconfig", { connection, create: "cat ${kubeconfig}", logging: "none" },
        { additionalSecretOutputs: ["stdout"] });
      const provider = new k8s.Provider("cluster", { kubeconfig: cluster.stdout, clusterIdentifier: "one", deleteUnreachable: true });
      const release = new k8s.helm.v3.Release("demo", {
        chart: "${chart}", name: "demo", namespace: "kube-system", values: { a: ${value} }, skipAwait: true,
      }, { provider });
      new k8s.core.v1.ConfigMap("map", { metadata: { name: "beside" }, data: { revision: release.status.revision.apply(String) } },
        { provider });
      export const status = release.status.status;
      export const revision = release.status.revision;
    `;
    stack.write(source(1));
    await succeed(stack.pulumi("preview", "--stack", "local"));
    const made = await up();
    expect(made).toContain('status  : "deployed"');
    expect(
      api.kubectl("get", "configmap", "from-chart", "--namespace=kube-system", "--output=jsonpath={.data.a}"),
    ).toBe("1");
    expect(stack.state()).not.toContain("test-administrator");
    await up("--expect-no-changes");
    stack.write(source(2));
    expect(await up()).toContain("revision: 1 => 2");
    expect(api.kubectl("get", "configmap", "beside", "--output=jsonpath={.data.revision}")).toBe("2");
    expect(await succeed(stack.pulumi("refresh", "--yes", "--stack", "local"))).not.toContain("updated");
    await succeed(stack.pulumi("destroy", "--yes", "--stack", "local"));
    expect(api.kubectl("get", "configmap", "--namespace=kube-system", "--output=name")).not.toContain("from-chart");
    expect(readFileSync(kubeconfig, "utf8")).toBe(api.kubeconfig);
  } finally {
    await api[Symbol.asyncDispose]();
  }
});
