// SPDX-License-Identifier: Apache-2.0
// Holds the stand-in for single Kubernetes objects, and its configuration, to the official plugin's behaviour.
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiServer, startApiServer } from "../fixtures/api-server.ts";
import type { Plugin } from "../fixtures/plugin.ts";
import { program } from "../fixtures/programs.ts";
import {
  checkConfiguration,
  configure,
  diffConfiguration,
  type ProviderClient,
  Resource,
  startProvider,
} from "../fixtures/resources.ts";
import { type Dict, Secret, Unknown, unknown } from "../values.ts";

let api: ApiServer;
let plugin: Plugin<ProviderClient>;

const environment = (): NodeJS.ProcessEnv => ({
  PATH: `${dirname(program("helm"))}:${dirname(program("kubectl"))}:${process.env["PATH"]}`,
});

beforeAll(async () => {
  api = await startApiServer();
  plugin = await startProvider("kubernetes", environment());
  await configure(plugin, { kubeconfig: new Secret(api.kubeconfig) });
});
afterAll(async () => {
  await plugin?.[Symbol.asyncDispose]();
  await api?.[Symbol.asyncDispose]();
});

const object = (type: string, name = "it"): Resource => new Resource(plugin, `kubernetes:${type}`, name);
const live = (...what: string[]): Dict => JSON.parse(api.kubectl("get", ...what, "--output=json")) as Dict;

describe("an object", () => {
  test("is created, found unchanged, changed, and deleted", async () => {
    const service = object("core/v1:Service");
    const inputs = (port: number): Dict => ({ metadata: { name: "web" }, spec: { ports: [{ port }] } });
    const state = await service.create(inputs(80));
    expect(state.id).toBe("default/web");
    expect((state.outputs["spec"] as Dict)["clusterIP"]).toMatch(/^10\.0\.0\./);
    expect(await service.diff(state, inputs(80))).toEqual({ paths: [], replaces: [] });
    expect(await service.diff(state, inputs(81))).toEqual({ paths: ["spec.ports[0].port"], replaces: [] });
    const next = await service.update(state, inputs(81));
    expect(live("service", "web")).toMatchObject({ spec: { ports: [{ port: 81 }] } });
    await service.delete(next);
    expect((await service.read(next)).id).toBe("");
  });

  test("loses the fields the program no longer sets", async () => {
    const account = object("core/v1:ServiceAccount");
    const state = await account.create({ metadata: { name: "labels", labels: { a: "1", b: "2" } } });
    await account.update(state, { metadata: { name: "labels", labels: { a: "1" } } });
    expect(live("serviceaccount", "labels")).toMatchObject({ metadata: { labels: { a: "1" } } });
    expect(JSON.stringify(live("serviceaccount", "labels"))).not.toContain('"b":"2"');
  });

  test("that exists already is not taken over", async () => {
    api.kubectl("create", "configmap", "theirs");
    const creating = object("core/v1:ConfigMap").create({ metadata: { name: "theirs" } });
    await expect(creating).rejects.toThrow("ConfigMap default/theirs already exists");
  });

  test("has no namespace when its kind has none", async () => {
    const { id } = await object("core/v1:Namespace").create({ metadata: { name: "spacious" } });
    expect(id).toBe("spacious");
    const inside = await object("core/v1:ConfigMap").create({ metadata: { name: "a", namespace: "spacious" } });
    expect(inside.id).toBe("spacious/a");
  });

  test("of a ConfigMap's kind is made anew when its data changes", async () => {
    const map = object("core/v1:ConfigMap");
    const state = await map.create({ data: { a: "1" } });
    expect(state.id).toMatch(/^default\/it-[0-9a-f]{8}$/);
    expect((await map.diff(state, { data: { a: "2" } })).replaces).toEqual(["data.a"]);
  });

  test("of a Secret's kind has secret data in the state, whatever the program said", async () => {
    const { outputs } = await object("core/v1:Secret").create({ metadata: { name: "s" }, stringData: { key: "hush" } });
    expect(outputs["data"]).toBeInstanceOf(Secret);
  });

  test("that was changed by someone else shows the difference after a refresh", async () => {
    const account = object("core/v1:ServiceAccount");
    const inputs: Dict = { metadata: { name: "drifting", labels: { colour: "blue" } } };
    const state = await account.create(inputs);
    api.kubectl("label", "serviceaccount", "drifting", "colour=red", "--overwrite");
    expect((await account.diff(await account.read(state), inputs)).paths).toEqual(["metadata.labels.colour"]);
  });

  test("that does not become ready keeps its state and says so", async () => {
    const pod = object("core/v1:Pod");
    const spec: Dict = { containers: [{ name: "a", image: "b" }] };
    const skipped = { name: "skipped", annotations: { "pulumi.com/skipAwait": "true" } };
    expect((await pod.create({ metadata: skipped, spec })).id).toBe("default/skipped");
    const failed = pod.create({ metadata: { name: "stuck" }, spec }, false, 1);
    await expect(failed).rejects.toThrow("Pod it did not become ready");
  });

  test("at preview has the API server's own defaults, or an unknown status where it cannot be asked yet", async () => {
    const inputs: Dict = { metadata: { name: "previewed" }, spec: { ports: [{ port: 80 }] } };
    const { outputs } = await object("core/v1:Service").create(inputs, true);
    expect(outputs["spec"]).toMatchObject({ sessionAffinity: "None" });
    expect(() => live("service", "previewed")).toThrow("not found");
    const early: Dict = { ...inputs, metadata: { name: "previewed", namespace: "not-yet" } };
    expect((await object("core/v1:Service").create(early, true)).outputs["status"]).toBeInstanceOf(Unknown);
  });

  test("that the API server refuses fails with its reason", async () => {
    const creating = object("core/v1:Service").create({ metadata: { name: "Not_A_Name" }, spec: {} });
    await expect(creating).rejects.toThrow("Invalid value");
  });
});

describe("the provider's configuration", () => {
  test("a change of the cluster replaces, a change of the credentials does not", async () => {
    const olds: Dict = { kubeconfig: api.kubeconfig };
    const otherUser = { kubeconfig: api.kubeconfig.replace("test-administrator", "another-token") };
    expect(await diffConfiguration(plugin, olds, otherUser)).toEqual({ paths: ["kubeconfig"], replaces: [] });
    const otherServer = { kubeconfig: api.kubeconfig.replace("127.0.0.1", "127.0.0.2") };
    expect((await diffConfiguration(plugin, olds, otherServer)).replaces).toEqual(["kubeconfig"]);
    expect((await diffConfiguration(plugin, olds, { kubeconfig: unknown })).replaces).toEqual(["kubeconfig"]);
  });

  test("with a clusterIdentifier only that decides", async () => {
    const olds: Dict = { kubeconfig: api.kubeconfig, clusterIdentifier: "a" };
    expect((await diffConfiguration(plugin, olds, { kubeconfig: unknown, clusterIdentifier: "a" })).replaces).toEqual(
      [],
    );
    const other = await diffConfiguration(plugin, olds, { ...olds, clusterIdentifier: "b" });
    expect(other.replaces).toEqual(["clusterIdentifier"]);
  });

  test("a setting that does not exist is refused by name", async () => {
    expect(await checkConfiguration(plugin, { kubeConfig: "x" })).toEqual([
      "kubeConfig is not a setting of the kubernetes provider: remove it",
    ]);
  });

  test("a kubeconfig that is none fails the resources, without its text in the error", async () => {
    await using own = await startProvider("kubernetes", environment());
    await configure(own, { kubeconfig: "not: [a kubeconfig, hush" });
    const creating = new Resource(own, "kubernetes:core/v1:ConfigMap").create({});
    const error: unknown = await creating.catch((reason: unknown) => reason);
    expect(String(error)).toContain("failed to parse kubeconfig data");
    expect(String(error)).not.toContain("hush");
  });

  test("an unreachable cluster fails a deletion, unless deleteUnreachable is set", async () => {
    await using own = await startProvider("kubernetes", environment());
    await using gone = await startProvider("kubernetes", environment());
    const kubeconfig = api.kubeconfig.replace(/127\.0\.0\.1:\d+/, "127.0.0.1:1");
    await configure(own, { kubeconfig });
    await configure(gone, { kubeconfig, deleteUnreachable: "true" });
    const metadata: Dict = { name: "x", namespace: "default" };
    const outputs: Dict = { apiVersion: "v1", kind: "ConfigMap", metadata };
    const state = { id: "default/x", inputs: outputs, outputs };
    await expect(new Resource(own, "kubernetes:core/v1:ConfigMap").delete(state)).rejects.toThrow("is unreachable");
    await new Resource(gone, "kubernetes:core/v1:ConfigMap").delete(state);
  });
});
