// SPDX-License-Identifier: Apache-2.0
// Runs a Pulumi program against a monitor that records what the engine would be told, and refuses what it does not know.

import { execFileSync } from "node:child_process";
import * as pulumi from "@pulumi/pulumi";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks.js";
import { sealKey } from "../../components/internal/bare-metal/sealed.ts";
import { privateKey } from "./bare-metal-args.ts";
import { cloudCalls, cloudOutputs } from "./clouds/outputs.ts";

/** A resource as the engine would be told about it. Secret values are instances of Secret. */
export interface RecordedResource {
  readonly type: string;
  readonly name: string;
  readonly parent: string;
  // biome-ignore lint/suspicious/noExplicitAny: inputs are as various as resources.
  readonly inputs: Record<string, any>;
  /** Names of the resources it depends on directly, its provider among them. */
  readonly dependencies: readonly string[];
  readonly deletedWith: string;
  readonly retainOnDelete: boolean;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly additionalSecretOutputs: readonly string[];
}

/** A value that the engine is told to encrypt. */
export class Secret {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

function withSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSecrets);
  if (typeof value !== "object" || value === null) return value;
  const object = value as Record<string, unknown>;
  if (object[signatureKey] === secretSignature) return new Secret(withSecrets(object["value"]));
  return Object.fromEntries(Object.entries(object).map(([key, child]) => [key, withSecrets(child)]));
}

/** The text inside, whether it is secret or not. */
export function revealed(value: unknown): string {
  return String(value instanceof Secret ? value.value : value);
}

/** Every text outside of secrets, with the path at which it stands. */
export function plainTexts(value: unknown, path = ""): [string, string][] {
  if (value instanceof Secret) return [];
  if (typeof value === "string") return [[path, value]];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => plainTexts(child, `${path}.${key}`));
}

const nameOf = (urn: string): string => urn.split("::").at(-1) ?? "";

/** A provider is referred to as `URN::ID`. */
const providerOf = (reference: string): string[] =>
  reference === "" ? [] : [nameOf(reference.slice(0, reference.lastIndexOf("::")))];

export const bootstrapToken = "abcdef.0123456789abcdef";
export const certificateKey = "c".repeat(64);
export const verificationReport = {
  passed: true,
  durationMs: 1234,
  checks: [{ name: "no kube-proxy", node: "worker-1", passed: true, observed: "none", durationMs: 5 }],
};

/** Digest of the public key of the certificate below, as openssl computes it. */
export const caCertHash = "sha256:369eed621c8889e5b5478401bd4b81335906eeb5e0f93d06cba8b3f36dd529e2";

const caCertificate =
  "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJnVENDQVNlZ0F3SUJBZ0lVTkpBRFRHRStKRDZmU244bnRPYi9JSHFGR3JBd0NnWUlLb1pJemowRUF3SXcKRlRFVE1CRUdBMVVFQXd3S2EzVmlaWEp1WlhSbGN6QWdGdzB5TmpFeE1qTXdPVE14TlRkYUdBOHlNVEkyTVRBegpNREE1TXpFMU4xb3dGVEVUTUJFR0ExVUVBd3dLYTNWaVpYSnVaWFJsY3pCWk1CTUdCeXFHU000OUFnRUdDQ3FHClNNNDlBd0VIQTBJQUJIRUpFdnhkdkkxendDaS91dEpNNTV3MjFzMmNqVjVuRENxNjBES3A4dnNWVCthZk95amwKTEFhQzVDNVprWWU1c05NRk02cnFKZVhoVjRxKzIvS21NQWFqVXpCUk1CMEdBMVVkRGdRV0JCVEhhZ0puNFRWUwowdlZJaFFBRGozZGxxdEJWc3pBZkJnTlZIU01FR0RBV2dCVEhhZ0puNFRWUzB2VkloUUFEajNkbHF0QlZzekFQCkJnTlZIUk1CQWY4RUJUQURBUUgvTUFvR0NDcUdTTTQ5QkFNQ0EwZ0FNRVVDSVFDQzJZQWppSnlBU2lvM08wNU0KaTBiNTFZNHlRTkVVeWkwNXB3Yk5IVVcwYlFJZ01iSEIwK2hoKzhXMkYwekVFbFUrNDVqbUJibG5aaTFjKzlpSgpDQUF5VkRNPQotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==";

export const adminKubeconfig = `apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority-data: ${caCertificate}
    server: https://127.0.0.1:6443
  name: local
contexts:
- context: {cluster: local, user: kubernetes-admin}
  name: kubernetes-admin@local
current-context: kubernetes-admin@local
users:
- name: kubernetes-admin
  user:
    client-key-data: VEhFLUFETUlOLUtFWQ==
`;

/** Seals a text as a host does. */
function sealedByOpenssl(input: string): string {
  const options = ["enc", "-aes-256-cbc", "-pbkdf2", "-iter", "10000", "-md", "sha256", "-a", "-A"];
  return execFileSync("openssl", [...options, "-pass", "env:SEAL_KEY"], {
    input,
    encoding: "utf8",
    env: { ...process.env, SEAL_KEY: sealKey(privateKey) },
  });
}

function stdoutOf(name: string): string {
  if (name.endsWith("-kubeconfig")) return sealedByOpenssl(adminKubeconfig);
  if (name.endsWith("-token")) return sealedByOpenssl(`${bootstrapToken}\n${certificateKey}\n`);
  if (name.startsWith("machine-"))
    return '{"name":"m","hostKey":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJ"}\n';
  if (name.includes("verification")) return JSON.stringify(verificationReport);
  return "";
}

const known: Readonly<Record<string, (name: string) => Record<string, unknown>>> = {
  "command:remote:Command": (name) => ({ stdout: stdoutOf(name), stderr: "" }),
  "command:remote:CopyToRemote": () => ({}),
  "command:local:Command": (name) => ({ stdout: stdoutOf(name), stderr: "" }),
  "pulumi:providers:kubernetes": () => ({}),
  "kubernetes:core/v1:ConfigMap": () => ({}),
  "kubernetes:helm.sh/v3:Release": () => ({}),
  ...cloudOutputs,
};

/** Runs the program to its end; gives what was registered, by name. */
export async function recordProgram<T>(
  program: () => T | Promise<T>,
  preview = false,
): Promise<{ resources: Map<string, RecordedResource>; result: T }> {
  const resources = new Map<string, RecordedResource>();
  const mocks: pulumi.runtime.Mocks = {
    newResource: ({ type, name, inputs, custom }) => {
      if (custom === false && type.startsWith("sansproxy:index:")) return { id: undefined, state: inputs };
      const outputs = known[type];
      if (outputs === undefined)
        throw new Error(`The program registered a resource that no test expects: ${type} ${name}`);
      return { id: `${name}-id`, state: { ...inputs, ...(preview ? {} : outputs(name)) } };
    },
    call: ({ token }) => {
      const answer = cloudCalls[token];
      if (answer !== undefined) return answer;
      throw new Error(`The program called a function that no test expects: ${token}`);
    },
  };
  await pulumi.runtime.setMocks(mocks, "project", "stack", preview);
  const original = MockMonitor.prototype.registerResource;
  MockMonitor.prototype.registerResource = async function (this: MockMonitor, req, callback) {
    const [type, name] = [req.getType(), req.getName()];
    if (resources.has(name)) throw new Error(`Two resources are called ${name}.`);
    resources.set(name, {
      type,
      name,
      parent: nameOf(req.getParent()),
      inputs: withSecrets(req.getObject().toJavaScript()) as Record<string, unknown>,
      dependencies: [...req.getDependenciesList().map(nameOf), ...providerOf(req.getProvider())],
      deletedWith: nameOf(req.getDeletedwith()),
      retainOnDelete: req.getRetainondelete(),
      ignoreChanges: req.getIgnorechangesList(),
      replaceOnChanges: req.getReplaceonchangesList(),
      additionalSecretOutputs: req.getAdditionalsecretoutputsList(),
    });
    return await original.call(this, req, callback);
  };
  try {
    const result = await program();
    await pulumi.runtime.disconnect();
    return { resources, result };
  } finally {
    MockMonitor.prototype.registerResource = original;
  }
}

/** All resources on which the named one depends, directly or not. */
export function ancestors(resources: ReadonlyMap<string, RecordedResource>, name: string): Set<string> {
  const found = new Set<string>();
  const visit = (current: string): void => {
    for (const dependency of resources.get(current)?.dependencies ?? []) {
      if (found.has(dependency)) continue;
      found.add(dependency);
      visit(dependency);
    }
  };
  visit(name);
  return found;
}

/** The value of an output once it is known. */
export function settled<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => {
    output.apply(resolve);
  });
}

/** Why an output never becomes known; every promise inside it is looked after. */
export async function refusal(output: pulumi.Output<unknown>): Promise<string> {
  const inner = output as unknown as Record<"isKnown" | "isSecret", Promise<unknown>> & {
    allResources(): Promise<unknown>;
    promise(): Promise<unknown>;
  };
  const results = await Promise.allSettled([inner.promise(), inner.isKnown, inner.isSecret, inner.allResources()]);
  const [first] = results;
  return first?.status === "rejected" ? String((first.reason as Error).message) : "it became known";
}
