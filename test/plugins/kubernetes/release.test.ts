// SPDX-License-Identifier: Apache-2.0
// Holds the Release stand-in to the official plugin's behaviour, with the real helm and a real API server.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ApiServer, startApiServer } from "../fixtures/api-server.ts";
import type { Plugin } from "../fixtures/plugin.ts";
import { program } from "../fixtures/programs.ts";
import { configure, type ProviderClient, Resource, startProvider } from "../fixtures/resources.ts";
import { Asset, type Dict, reveal, Secret, Unknown, unknown } from "../values.ts";

let api: ApiServer;
let plugin: Plugin<ProviderClient>;
let chart: string;

const path = (): string => [program("helm"), program("kubectl")].map((file) => dirname(file)).join(":");

beforeAll(async () => {
  api = await startApiServer();
  plugin = await startProvider("kubernetes", { PATH: `${path()}:${process.env["PATH"]}` });
  await configure(plugin, { kubeconfig: new Secret(api.kubeconfig) });
});
afterAll(async () => {
  await plugin?.[Symbol.asyncDispose]();
  await api?.[Symbol.asyncDispose]();
});

const template = `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-config
data:
  greeting: {{ .Values.greeting | quote }}
  sum: {{ .Values.sum | default 0 | quote }}
`;

beforeEach(() => {
  chart = join(mkdtempSync(join(tmpdir(), "sansproxy-chart-")), "demo");
  mkdirSync(join(chart, "templates"), { recursive: true });
  writeFileSync(join(chart, "Chart.yaml"), "apiVersion: v2\nname: demo\nversion: 1.2.3\nappVersion: 4.5.6\n");
  writeFileSync(join(chart, "values.yaml"), "greeting: hello\n");
  writeFileSync(join(chart, "templates/config.yaml"), template);
  const schema = { type: "object", properties: { greeting: { type: "string" }, sum: { type: "integer" } } };
  writeFileSync(join(chart, "values.schema.json"), JSON.stringify({ ...schema, additionalProperties: false }));
  return () => rmSync(dirname(chart), { recursive: true });
});

const release = (): Resource => new Resource(plugin, "kubernetes:helm.sh/v3:Release", "demo");
const inputs = (name: string, more: Dict = {}): Dict => ({ chart, name, namespace: "default", ...more });
const configMap = (name: string): unknown =>
  (JSON.parse(api.kubectl("get", "configmap", `${name}-config`, "--output=json")) as { data: unknown }).data;

describe("a release", () => {
  test("is installed with its values, and says what helm has recorded", async () => {
    const more: Dict = { values: { greeting: new Secret("hush"), sum: 3 }, createNamespace: true };
    const { id, outputs } = await release().create({ ...inputs("first", more), namespace: "own" });
    expect(id).toBe("own/first");
    expect(outputs["status"]).toEqual({
      ...{ appVersion: "4.5.6", chart: "demo", name: "first", namespace: "own" },
      ...{ revision: 1, status: "deployed", version: "1.2.3" },
    });
    expect(outputs["version"]).toBe("1.2.3");
    expect(outputs["resourceNames"]).toEqual({ "ConfigMap/v1": ["first-config"] });
    expect((outputs["values"] as Dict)["greeting"]).toBeInstanceOf(Secret);
    const live = api.kubectl("get", "configmap", "first-config", "--namespace=own", "--output=json");
    expect(JSON.parse(live)).toMatchObject({ data: { greeting: "hush", sum: "3" } });
  });

  test("differs by its values and by the chart's contents, and is upgraded", async () => {
    const state = await release().create(inputs("second"));
    expect(await release().diff(state, inputs("second"))).toEqual({ paths: [], replaces: [] });
    const more: Dict = { values: { greeting: "changed" } };
    expect((await release().diff(state, inputs("second", more))).paths).toEqual(["checksum", "values"]);
    const next = await release().update(state, inputs("second", more));
    expect(next.outputs["status"]).toMatchObject({ revision: 2, status: "deployed" });
    expect(configMap("second")).toMatchObject({ greeting: "changed" });
    writeFileSync(
      join(chart, "templates/config.yaml"),
      `${readFileSync(join(chart, "templates/config.yaml"))}  more: x\n`,
    );
    expect((await release().diff(next, inputs("second", more))).paths).toEqual(["checksum"]);
  });

  test("is replaced when its name or namespace changes", async () => {
    const state = await release().create(inputs("third"));
    const other = await release().diff(state, { ...inputs("fourth"), namespace: "elsewhere" });
    expect(other.replaces).toEqual(["name", "namespace"]);
  });

  test("takes values files first and `values` over them", async () => {
    const yaml = "greeting: from the file\nsum: 1\n";
    const files = [new Asset("asset", { text: yaml, hash: "x" })];
    await release().create(inputs("fifth", { valueYamlFiles: files, values: { sum: 2 } }));
    expect(configMap("fifth")).toEqual({ greeting: "from the file", sum: "2" });
  });

  test("is removed, and removing it once more is no error", async () => {
    const state = await release().create(inputs("sixth"));
    await release().delete(state);
    expect(() => configMap("sixth")).toThrow("not found");
    await release().delete(state);
    expect((await release().read(state)).id).toBe("");
  });

  test("gets a name of its own when the program gives none, and keeps it", async () => {
    const { name: _, ...nameless } = inputs("");
    const { inputs: checked } = await release().check(nameless);
    expect(checked["name"]).toMatch(/^demo-[0-9a-f]{8}$/);
    expect((await release().check(nameless, checked)).inputs["name"]).toBe(checked["name"]);
  });

  const waitForever = (): void =>
    writeFileSync(
      join(chart, "templates/pod.yaml"),
      'apiVersion: v1\nkind: Pod\nmetadata: {name: "{{ .Release.Name }}", annotations: {"helm.sh/hook": post-install}}\nspec: {containers: [{name: a, image: b}]}\n',
    );
  const repaired = async (provider: Plugin<ProviderClient>, name: string): Promise<Dict> => {
    rmSync(join(chart, "templates/pod.yaml"));
    const resource = new Resource(provider, "kubernetes:helm.sh/v3:Release", "demo");
    const { inputs: checked } = await resource.check(inputs(name));
    const state = { id: `default/${name}`, inputs: checked, outputs: checked };
    return (await resource.update(state, inputs(name))).outputs["status"] as Dict;
  };

  test("that helm records but cannot finish keeps its state, and the next update repairs it", async () => {
    waitForever();
    const failed: unknown = await release()
      .create(inputs("seventh", { timeout: 1 }))
      .catch((error: unknown) => error);
    expect(failed).toMatchObject({ details: expect.stringContaining("helm has recorded it as failed") as string });
    expect(initializationError(failed)).toContain("default/seventh");
    expect(await repaired(plugin, "seventh")).toMatchObject({ status: "deployed" });
  });

  test("whose installation is cancelled keeps its state as well, and is not stuck", async () => {
    waitForever();
    await using own = await startProvider("kubernetes", { PATH: `${path()}:${process.env["PATH"]}` });
    await configure(own, { kubeconfig: new Secret(api.kubeconfig) });
    const failing = new Resource(own, "kubernetes:helm.sh/v3:Release", "demo")
      .create(inputs("eighth"))
      .catch((error: unknown) => error);
    await expect.poll(() => api.kubectl("get", "pods", "--output=name"), { timeout: 30_000 }).toContain("pod/eighth");
    await own.call(own.client.cancel, new emptyProto.Empty());
    expect(initializationError(await failing)).toContain("default/eighth");
    expect(await repaired(plugin, "eighth")).toMatchObject({ status: "deployed" });
  });
});

/** The details a failed create carries for the engine, as text. */
const initializationError = (error: unknown): string => {
  const { metadata } = error as { metadata: { get(key: string): Buffer[] } };
  return metadata.get("grpc-status-details-bin").map(String).join("");
};

describe("before anything is installed", () => {
  test("values that the chart's schema refuses fail the check", async () => {
    const { failures } = await release().check(inputs("bad", { values: { gretting: "typo" } }));
    expect(failures[0]).toContain("chart");
    expect(failures[0]).toContain("gretting");
  });

  test("an input a Release does not have is refused by name", async () => {
    const { failures } = await release().check(inputs("bad", { value: {}, atomic: "yes" }));
    expect(failures.map((failure) => failure.split(" ")[0]).sort()).toEqual(["atomic", "value"]);
  });

  test("a preview installs nothing, and the status is unknown", async () => {
    const { outputs, id } = await release().create(inputs("preview"), true);
    expect([id, outputs["status"]]).toEqual(["", expect.any(Unknown)]);
    expect(() => configMap("preview")).toThrow("not found");
    const later = await release().create(inputs("later", { values: { greeting: unknown } }), true);
    expect(later.outputs["resourceNames"]).toBeInstanceOf(Unknown);
  });

  test("values never appear among the arguments of helm", async () => {
    writeFileSync(join(chart, "show"), "#!/bin/sh\ncat >/dev/null\ntr '\\0' ' ' < /proc/$PPID/cmdline >&2\nexit 1\n", {
      mode: 0o755,
    });
    const more: Dict = { postrender: join(chart, "show"), values: { greeting: new Secret("hush") } };
    const { failures } = await release().check(inputs("arguments", more));
    expect(failures.join()).toContain("template arguments");
    expect(failures.join()).not.toContain("hush");
    expect(reveal((more["values"] as Dict)["greeting"] ?? null)).toBe("hush");
  });
});
