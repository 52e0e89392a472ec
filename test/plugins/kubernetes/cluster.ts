// SPDX-License-Identifier: Apache-2.0
// Knows the cluster a provider is configured for, and runs helm and kubectl against it.
import { existsSync } from "node:fs";
import { KubeConfig } from "@kubernetes/client-node";
import { type Dict, reveal } from "../values.ts";
import { PrivateFile, pathOfFile } from "./private-file.ts";
import { runTool, type ToolResult, type ToolRun } from "./tool.ts";

const settingNames = {
  driver: "HELM_DRIVER",
  pluginsPath: "HELM_PLUGINS",
  registryConfigPath: "HELM_REGISTRY_CONFIG",
  repositoryCache: "HELM_REPOSITORY_CACHE",
  repositoryConfigPath: "HELM_REPOSITORY_CONFIG",
} as const;

export interface Options {
  readonly deleteUnreachable: boolean;
  readonly skipUpdateUnreachable: boolean;
  readonly enablePatchForce: boolean;
  readonly enableConfigMapMutable: boolean;
  readonly enableSecretMutable: boolean;
  readonly upsertExistingObjects: boolean;
}

/** A boolean, as the SDK sends it in a provider's configuration: JSON in a string. */
const flag = (configuration: Dict, name: string): boolean => {
  const value = reveal(configuration[name] ?? false);
  return value === true || value === "true";
};

const textOf = (configuration: Dict, name: string): string | undefined => {
  const value = reveal(configuration[name] ?? null);
  return typeof value === "string" && value !== "" ? value : undefined;
};

const helmEnvironment = (settings: string | undefined): NodeJS.ProcessEnv => {
  if (settings === undefined) return {};
  const parsed = JSON.parse(settings) as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(settingNames).flatMap(([name, variable]) => {
      const value = parsed[name];
      return typeof value === "string" && value !== "" ? [[variable, value]] : [];
    }),
  );
};

/** One sentence about a configuration that names no cluster. */
const complaint = (text: string | undefined, context: string | undefined): string | undefined => {
  if (text === undefined) return undefined;
  try {
    const config = new KubeConfig();
    if (existsSync(text)) config.loadFromFile(text);
    else config.loadFromString(text);
    const wanted = context ?? config.getCurrentContext();
    if (config.getContextObject(wanted) === null) return `the kubeconfig has no context ${JSON.stringify(wanted)}`;
    return undefined;
  } catch {
    return "failed to parse kubeconfig data in `kubernetes:config:kubeconfig`: give the contents of a kubeconfig file or the path of one";
  }
};

export class Cluster {
  readonly namespace: string;
  readonly options: Options;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #context: readonly string[];
  readonly #kubeconfig: PrivateFile | undefined;
  readonly #complaint: string | undefined;

  constructor(configuration: Dict) {
    const kubeconfig = textOf(configuration, "kubeconfig");
    const context = textOf(configuration, "context");
    const isPath = kubeconfig !== undefined && !kubeconfig.includes("\n") && existsSync(kubeconfig);
    this.#complaint = complaint(kubeconfig, context);
    this.#kubeconfig = kubeconfig === undefined || isPath ? undefined : new PrivateFile(kubeconfig);
    const path = isPath ? kubeconfig : this.#kubeconfig === undefined ? undefined : pathOfFile(0);
    this.#environment = {
      ...process.env,
      ...helmEnvironment(textOf(configuration, "helmReleaseSettings")),
      ...(path === undefined ? {} : { KUBECONFIG: path }),
    };
    this.#context = context === undefined ? [] : [context];
    this.namespace = textOf(configuration, "namespace") ?? "default";
    this.options = {
      deleteUnreachable: flag(configuration, "deleteUnreachable"),
      skipUpdateUnreachable: flag(configuration, "skipUpdateUnreachable"),
      enablePatchForce: flag(configuration, "enablePatchForce"),
      enableConfigMapMutable: flag(configuration, "enableConfigMapMutable"),
      enableSecretMutable: flag(configuration, "enableSecretMutable"),
      upsertExistingObjects: flag(configuration, "upsertExistingObjects"),
    };
  }

  /** Why the cluster cannot be used; undefined when its API server answers. */
  async unreachable(signal: AbortSignal): Promise<string | undefined> {
    if (this.#complaint !== undefined) return this.#complaint;
    // Three control planes that start on one box answer late.
    const { code, stderr } = await this.kubectl(["get", "--raw=/version", "--request-timeout=60s"], { signal });
    return code === 0 ? undefined : stderr.trim();
  }

  kubectl(args: readonly string[], rest: { signal: AbortSignal; stdin?: string }): Promise<ToolResult> {
    const context = this.#context.map((name) => `--context=${name}`);
    return this.#run({ program: "kubectl", args: [...args, ...context], files: [], ...rest });
  }

  /** Values files follow the kubeconfig: `valuesPath` names them. */
  helm(args: readonly string[], signal: AbortSignal, values: readonly PrivateFile[] = []): Promise<ToolResult> {
    const context = this.#context.map((name) => `--kube-context=${name}`);
    return this.#run({ program: "helm", args: [...args, ...context], files: values, signal });
  }

  valuesPath(index: number): string {
    return pathOfFile(this.#kubeconfig === undefined ? index : index + 1);
  }

  #run(run: Omit<ToolRun, "env">): Promise<ToolResult> {
    const files = this.#kubeconfig === undefined ? run.files : [this.#kubeconfig, ...run.files];
    return runTool({ ...run, files, env: this.#environment });
  }

  close(): void {
    this.#kubeconfig?.[Symbol.dispose]();
  }
}
