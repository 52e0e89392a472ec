// SPDX-License-Identifier: Apache-2.0
// Finds and reads the kubeconfig: from --kubeconfig (a file, or - for standard input), KUBECONFIG, this project, or ~/.kube/config.
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { type Cluster, KubeConfig } from "@kubernetes/client-node";

/** The way the command was called is wrong; the message says what to change. Exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface KubeconfigSource {
  readonly kubeconfig: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingFolder: string;
  readonly home: string;
  readonly readStdin: () => string;
}

export const defaultSource = (kubeconfig: string | undefined): KubeconfigSource => ({
  kubeconfig,
  environment: process.env,
  workingFolder: process.cwd(),
  home: homedir(),
  readStdin: () => readFileSync(0, "utf8"),
});

const LOCAL = join(".sansproxy", "kubeconfig");

const findFiles = ({ kubeconfig, environment, workingFolder, home }: KubeconfigSource): readonly string[] => {
  if (kubeconfig !== undefined) return [kubeconfig];
  const named = (environment["KUBECONFIG"] ?? "").split(delimiter).filter((file) => file !== "");
  if (named.length > 0) {
    const existing = named.filter((file) => existsSync(file));
    return existing.length > 0 ? existing : named.slice(0, 1);
  }
  const found = [join(workingFolder, LOCAL), join(home, ".kube", "config")].find((file) => existsSync(file));
  if (found !== undefined) return [found];
  throw new UsageError(
    `no kubeconfig found: KUBECONFIG is not set, and neither ${LOCAL} nor ~/.kube/config exists; give one with --kubeconfig FILE`,
  );
};

/** A parser's message can quote the text, and the text holds keys: it is not passed on. */
const parse = (text: string, origin: string): KubeConfig => {
  const config = new KubeConfig();
  try {
    config.loadFromString(text);
  } catch {
    throw new UsageError(`the kubeconfig from ${origin} cannot be parsed: it must be YAML or JSON of kind Config`);
  }
  return config;
};

const readConfig = (file: string): KubeConfig => {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`the kubeconfig ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  const config = parse(text, file);
  config.makePathsAbsolute(join(file, ".."));
  return config;
};

export const loadKubeconfig = (source: KubeconfigSource): KubeConfig => {
  const fromStdin = source.kubeconfig === "-";
  const files = fromStdin ? [] : findFiles(source);
  const [first, ...rest] = fromStdin ? [parse(source.readStdin(), "standard input")] : files.map(readConfig);
  const origin = fromStdin ? "standard input" : files.join(delimiter);
  for (const other of rest) first?.mergeConfig(other, true);
  const cluster = first?.getCurrentCluster();
  if (first === undefined || !cluster?.server) {
    throw new UsageError(`the kubeconfig from ${origin} names no cluster in its current context`);
  }
  tellCluster(first, cluster);
  return first;
};

/** What a program that gives credentials is told of the cluster, where the kubeconfig asks for it: the client leaves it out. */
const tellCluster = (config: KubeConfig, cluster: Cluster): void => {
  const exec = config.getCurrentUser()?.exec;
  if (!exec) return;
  const { server, caData, tlsServerName, skipTLSVerify } = cluster;
  const told = {
    server,
    ...(caData === undefined ? {} : { "certificate-authority-data": caData }),
    ...(tlsServerName === undefined ? {} : { "tls-server-name": tlsServerName }),
    ...(skipTLSVerify === true ? { "insecure-skip-tls-verify": true } : {}),
  };
  const spec = { interactive: false, ...(exec.provideClusterInfo === true ? { cluster: told } : {}) };
  const info = JSON.stringify({ kind: "ExecCredential", apiVersion: exec.apiVersion, spec });
  exec.env = [...(exec.env ?? []), { name: "KUBERNETES_EXEC_INFO", value: info }];
};
