// SPDX-License-Identifier: Apache-2.0
// Checks what the language host tells the engine, and how it starts the program.
import { once } from "node:events";
import services from "@pulumi/pulumi/proto/language_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/language_pb.js";
import type * as plugins from "@pulumi/pulumi/proto/plugin_pb.js";
import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";
import structProto from "google-protobuf/google/protobuf/struct_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Plugin, pluginsDirectory, startPlugin } from "../fixtures/plugin.ts";
import { launchPlugin } from "./plugin.ts";
import { configuration, launch, outcome, runtimeOptions, words } from "./program.ts";

type LanguageClient = InstanceType<typeof services.LanguageRuntimeClient>;

const path = "language-nodejs/pulumi-language-nodejs";

describe("the program's process", () => {
  const request = (options: Record<string, string | boolean>): InstanceType<typeof messages.RunRequest> => {
    const info = new messages.ProgramInfo();
    info.setRootDirectory("/project");
    info.setProgramDirectory(pluginsDirectory);
    info.setEntryPoint("index.ts");
    info.setOptions(structProto.Struct.fromJavaScript(options));
    const run = new messages.RunRequest();
    run.setInfo(info);
    run.setMonitorAddress("127.0.0.1:1");
    run.setProject("sansproxy");
    run.setStack("local");
    run.setParallel(16);
    run.setDryrun(true);
    run.getConfigMap().set("sansproxy:stack", "local");
    run.setConfigsecretkeysList(["sansproxy:key"]);
    return run;
  };

  test("gets the SDK's own runner, the engine's addresses, and the program", () => {
    const { args, env, cwd } = launch(request({ typescript: false }), "127.0.0.1:2");
    expect(args[0]).toMatch(/@pulumi\/pulumi\/cmd\/run\/index\.js$/);
    expect(args.slice(1).join(" ")).toBe(
      `--monitor 127.0.0.1:1 --engine 127.0.0.1:2 --project sansproxy --root-directory /project --stack local --pwd ${pluginsDirectory} --parallel 16 --dry-run index.ts`,
    );
    expect(cwd).toBe(pluginsDirectory);
    expect(JSON.parse(env["PULUMI_CONFIG"] ?? "")).toEqual({ "sansproxy:config:stack": "local" });
    expect(JSON.parse(env["PULUMI_CONFIG_SECRET_KEYS"] ?? "")).toEqual(["sansproxy:key"]);
    expect(env["PULUMI_NODEJS_TYPESCRIPT"]).toBeUndefined();
  });

  test("compiles TypeScript itself unless that is switched off, and takes node's options", () => {
    const { args, env } = launch(request({ nodeargs: "--trace-warnings --title='a b'" }), undefined);
    expect(args.slice(0, 2)).toEqual(["--trace-warnings", "--title=a b"]);
    expect(env["PULUMI_NODEJS_TYPESCRIPT"]).toBe("true");
    expect(runtimeOptions({}).typescript).toBe(true);
    expect(words("")).toEqual([]);
  });

  test("configuration keys keep their old long form, which every SDK reads", () => {
    expect(JSON.parse(configuration([["a:b", "1"]]))).toEqual({ "a:config:b": "1" });
  });

  test("an error the user has been told of stops the update without another message", () => {
    expect(outcome(0, null)).toEqual({ error: "", bail: false });
    expect(outcome(32, null)).toEqual({ error: "", bail: true });
    expect(outcome(1, null).error).toBe("Program exited with non-zero exit code: 1");
    expect(outcome(null, "SIGKILL").error).toBe("Program was ended by SIGKILL");
  });
});

describe("a plugin's process", () => {
  const request = (kind: string): InstanceType<typeof messages.RunPluginRequest> => {
    const info = new messages.ProgramInfo();
    info.setProgramDirectory(pluginsDirectory);
    const run = new messages.RunPluginRequest();
    run.setInfo(info);
    run.setKind(kind);
    run.setPwd("/project");
    run.setArgsList(["127.0.0.1:1"]);
    run.setEnvList(["A=1", "B=x=y", "A=2"]);
    return run;
  };

  test("of a policy pack runs in the pack's folder, which is its last argument", () => {
    const { args, env, cwd } = launchPlugin(request("analyzer"));
    expect(args[0]).toMatch(/@pulumi\/pulumi\/cmd\/run-policy-pack\/index\.js$/);
    expect(args.slice(1)).toEqual(["127.0.0.1:1", pluginsDirectory]);
    expect(cwd).toBe(pluginsDirectory);
    expect(env).toMatchObject({ A: "2", B: "x=y" });
  });

  test("of a provider runs where the engine is, with its folder as first argument", () => {
    const { args, cwd } = launchPlugin(request("resource"));
    expect(args[0]).toMatch(/@pulumi\/pulumi\/cmd\/run-plugin\/index\.js$/);
    expect(args.slice(1)).toEqual([pluginsDirectory, "127.0.0.1:1"]);
    expect(cwd).toBe("/project");
  });
});

describe("the service", () => {
  let plugin: Plugin<LanguageClient>;
  beforeAll(async () => {
    plugin = await startPlugin(path, services.LanguageRuntimeClient);
  });
  afterAll(() => plugin[Symbol.asyncDispose]());

  test("asks the engine for no plugin, so that none is downloaded", async () => {
    const response = await plugin.call<messages.GetRequiredPackagesRequest, messages.GetRequiredPackagesResponse>(
      plugin.client.getRequiredPackages,
      new messages.GetRequiredPackagesRequest(),
    );
    expect(response.getPackagesList()).toEqual([]);
  });

  test("says that it is a stand-in", async () => {
    const about = await plugin.call<messages.AboutRequest, messages.AboutResponse>(
      plugin.client.about,
      new messages.AboutRequest(),
    );
    expect(about.getVersion()).toContain("stand-in");
    const info = await plugin.call<unknown, plugins.PluginInfo>(
      plugin.client.getPluginInfo as never,
      new emptyProto.Empty(),
    );
    expect(info.getVersion()).toMatch(/^\d+\.\d+\.\d+\+stand-in$/);
  });

  test("refuses what it does not do, and names the official host for it", async () => {
    const packing = plugin.call(plugin.client.pack as never, new messages.PackRequest());
    await expect(packing).rejects.toThrow("install the official pulumi-language-nodejs");
  });
});

test.each([path, "command/pulumi-resource-command", "kubernetes/pulumi-resource-kubernetes"])(
  "%s ends when the engine has gone",
  async (file) => {
    const plugin = await startPlugin(file, services.LanguageRuntimeClient);
    const gone = once(plugin.process, "exit");
    plugin.process.stdin?.end();
    expect((await gone)[0]).toBe(0);
    await plugin[Symbol.asyncDispose]();
  },
);
