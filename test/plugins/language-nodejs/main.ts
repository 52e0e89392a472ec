// SPDX-License-Identifier: Apache-2.0
// Answers the engine's LanguageRuntime service for Node.js programs, in place of the official pulumi-language-nodejs.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/language_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/language_pb.js";
import plugins from "@pulumi/pulumi/proto/plugin_pb.js";
import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";
import { announce, engineAddress, listen } from "../listen.ts";
import { launchPlugin, runPlugin } from "./plugin.ts";
import { launch, runProgram } from "./program.ts";

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
}

const readManifest = (path: string): Manifest => JSON.parse(readFileSync(path, "utf8")) as Manifest;
const sdkVersion = readManifest(createRequire(import.meta.url).resolve("@pulumi/pulumi/package.json")).version ?? "";

const cancellation = new AbortController();
const running = new Set<Promise<unknown>>();
let engine = engineAddress(process.argv.slice(2));

const run = async (request: InstanceType<typeof messages.RunRequest>) => {
  const { error, bail } = await runProgram(launch(request, engine), cancellation.signal);
  const response = new messages.RunResponse();
  response.setError(error);
  response.setBail(bail);
  return response;
};

const about = async () => {
  const response = new messages.AboutResponse();
  response.setExecutable(process.execPath);
  response.setVersion(`${process.version} (stand-in language host of sansproxy, SDK ${sdkVersion})`);
  return response;
};

const programDependencies = async (request: InstanceType<typeof messages.GetProgramDependenciesRequest>) => {
  const root = request.getInfo()?.getRootDirectory() ?? process.cwd();
  const manifest = readManifest(join(root, "package.json"));
  const response = new messages.GetProgramDependenciesResponse();
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  response.setDependenciesList(
    Object.entries(all).map(([name, version]) => {
      const dependency = new messages.DependencyInfo();
      dependency.setName(name);
      dependency.setVersion(version);
      return dependency;
    }),
  );
  return response;
};

const pluginInfo = async () => {
  const response = new plugins.PluginInfo();
  response.setVersion(`${sdkVersion}+stand-in`);
  return response;
};

/** `pulumi install`: npm puts the dependencies in place, its output goes to the user. */
const installDependencies = async (
  call: grpc.ServerWritableStream<InstanceType<typeof messages.InstallDependenciesRequest>, unknown>,
): Promise<void> => {
  const cwd = call.request.getInfo()?.getRootDirectory() || call.request.getDirectory() || process.cwd();
  const child = spawn("npm", ["install"], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.on("data", (chunk: Buffer) => {
    const response = new messages.InstallDependenciesResponse();
    response.setStdout(chunk);
    call.write(response);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    const response = new messages.InstallDependenciesResponse();
    response.setStderr(chunk);
    call.write(response);
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`npm install in ${cwd} ended with exit code ${code}: see its output above`);
};

const methods: Record<string, (request: never) => Promise<unknown>> = {
  handshake: async (request: InstanceType<typeof messages.LanguageHandshakeRequest>) => {
    engine = request.getEngineAddress() || engine;
    return new messages.LanguageHandshakeResponse();
  },
  // Nothing is asked of the engine: providers are looked up when a resource needs one, on PATH first.
  getRequiredPlugins: async () => new messages.GetRequiredPluginsResponse(),
  getRequiredPackages: async () => new messages.GetRequiredPackagesResponse(),
  run,
  about,
  getPluginInfo: pluginInfo,
  getProgramDependencies: programDependencies,
  runtimeOptionsPrompts: async () => new messages.RuntimeOptionsResponse(),
  template: async () => new messages.TemplateResponse(),
  cancel: async () => {
    cancellation.abort(new Error("the update was cancelled"));
    return new emptyProto.Empty();
  },
};

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const implementation: grpc.UntypedServiceImplementation = {};
for (const name of Object.keys(services.LanguageRuntimeService)) {
  const method = methods[name];
  const handle: grpc.handleUnaryCall<never, unknown> = (call, callback) => {
    if (method === undefined) {
      const details = `the stand-in language host of sansproxy does not answer ${name}: install the official pulumi-language-nodejs for it`;
      callback({ code: grpc.status.UNIMPLEMENTED, details }, null);
      return;
    }
    const work = method(call.request);
    running.add(work);
    const done = (): void => void running.delete(work);
    work.then(done, done);
    work.then(
      (response) => callback(null, response),
      (error: unknown) => callback({ code: grpc.status.UNKNOWN, details: describe(error) }, null),
    );
  };
  implementation[name] = handle as grpc.UntypedHandleCall;
}
implementation["installDependencies"] = (call: Parameters<typeof installDependencies>[0]) => {
  installDependencies(call).then(
    () => call.end(),
    (error: unknown) => call.emit("error", { code: grpc.status.UNKNOWN, details: describe(error) }),
  );
};
/** Streams what a plugin written in Node.js says; the engine ends the call when it has no more use for the plugin. */
const servePlugin = async (
  call: grpc.ServerWritableStream<InstanceType<typeof messages.RunPluginRequest>, unknown>,
): Promise<void> => {
  const unwanted = new AbortController();
  call.once("cancelled", () => unwanted.abort(new Error("the engine has no more use for the plugin")));
  const say = (fill: (response: InstanceType<typeof messages.RunPluginResponse>) => void): void => {
    const response = new messages.RunPluginResponse();
    fill(response);
    call.write(response);
  };
  const signal = AbortSignal.any([cancellation.signal, unwanted.signal]);
  const output = {
    stdout: (chunk: Buffer) => say((response) => void response.setStdout(chunk)),
    stderr: (chunk: Buffer) => say((response) => void response.setStderr(chunk)),
  };
  const code = await runPlugin(launchPlugin(call.request), output, signal);
  say((response) => void response.setExitcode(code));
};
implementation["runPlugin"] = (call: Parameters<typeof servePlugin>[0]) => {
  const work = servePlugin(call);
  running.add(work);
  work.then(
    () => call.end(),
    (error: unknown) => call.emit("error", { code: grpc.status.UNKNOWN, details: describe(error) }),
  );
  const done = (): void => void running.delete(work);
  work.then(done, done);
};

const listening = await listen(services.LanguageRuntimeService, implementation);
announce(listening, async () => {
  cancellation.abort(new Error("the language host was stopped"));
  await Promise.allSettled(running);
  listening.close();
});
