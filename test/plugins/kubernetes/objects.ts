// SPDX-License-Identifier: Apache-2.0
// Creates, changes and removes any single Kubernetes object by server-side apply with kubectl.
import { randomBytes } from "node:crypto";
import { difference, propertyOf } from "../difference.ts";
import {
  type Checked,
  type Created,
  type Differs,
  type Found,
  InitializationFailed,
  type Subject,
} from "../provider.ts";
import { containsUnknown, type Dict, isDict, reveal, revealDict, Secret, unknown, type Value } from "../values.ts";
import { waitUntilReady } from "./await.ts";
import type { Cluster } from "./cluster.ts";

const fieldManager = "pulumi-kubernetes";
const autonamed = "pulumi.com/autonamed";
const patchForce = "pulumi.com/patchForce";

export interface Identity {
  readonly apiVersion: string;
  readonly kind: string;
}

/** `kubernetes:apps/v1:DaemonSet` names the object's API and kind; the core group is written in full. */
const identityOf = (type: string): Identity => {
  const [, api = "", kind = ""] = type.split(":");
  if (kind.endsWith("Patch") || kind.endsWith("List") || !api.includes("/") || api.startsWith("helm.sh/")) {
    throw new Error(
      `the stand-in for the kubernetes plugin has no ${type}: it has single objects and kubernetes:helm.sh/v3:Release; install the official plugin for the rest`,
    );
  }
  return { apiVersion: api.replace(/^core\//, ""), kind };
};

const metadataOf = (object: Dict): Dict => {
  const metadata = object["metadata"];
  const plain = metadata instanceof Secret ? metadata.value : metadata;
  return isDict(plain ?? null) ? (plain as Dict) : {};
};

const nameOf = (object: Dict): string => String(reveal(metadataOf(object)["name"] ?? ""));
const namespaceOf = (object: Dict): string | undefined => {
  const namespace = reveal(metadataOf(object)["namespace"] ?? null);
  return typeof namespace === "string" ? namespace : undefined;
};
const idOf = (object: Dict): string => {
  const namespace = namespaceOf(object);
  return namespace === undefined ? nameOf(object) : `${namespace}/${nameOf(object)}`;
};
const annotation = (object: Dict, name: string): string | undefined => {
  const annotations = reveal(metadataOf(object)["annotations"] ?? null);
  const value = isDict(annotations) ? annotations[name] : undefined;
  return typeof value === "string" ? value : undefined;
};

/** Kinds that live in no namespace, so that nothing has to be asked before the first preview of a new cluster. */
const clusterKinds = new Set([
  ...["Namespace", "Node", "PersistentVolume", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"],
  ...["StorageClass", "PriorityClass", "IngressClass", "RuntimeClass", "CSIDriver", "CSINode", "APIService"],
  ...["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy"],
  ...["ValidatingAdmissionPolicyBinding", "FlowSchema", "PriorityLevelConfiguration", "CertificateSigningRequest"],
]);
const builtIn = (apiVersion: string): boolean => !apiVersion.includes(".") || apiVersion.includes(".k8s.io/");

export const checkObject = (cluster: Cluster, subject: Subject, olds: Dict, news: Dict): Checked => {
  const identity = identityOf(subject.type);
  const inputs: Dict = { ...news, ...identity };
  const metadata: Dict = { ...metadataOf(news) };
  if (metadata["name"] === undefined && metadata["generateName"] === undefined) {
    const before = nameOf(olds);
    metadata["name"] = before === "" ? `${subject.name}-${randomBytes(4).toString("hex")}` : before;
    const annotations = reveal(metadata["annotations"] ?? {});
    metadata["annotations"] = { ...(isDict(annotations) ? annotations : {}), [autonamed]: "true" };
  }
  if (builtIn(identity.apiVersion) && !clusterKinds.has(identity.kind)) metadata["namespace"] ??= cluster.namespace;
  inputs["metadata"] = news["metadata"] instanceof Secret ? new Secret(metadata) : metadata;
  delete inputs["status"];
  return { inputs, failures: [] };
};

/** Fields the API server does not let change: the object is made anew. */
const immutable = (kind: string, path: string, cluster: Cluster): boolean => {
  if (/^(apiVersion|kind|metadata\.(name|namespace))$/.test(path)) return true;
  const top = propertyOf(path);
  if (kind === "ConfigMap") return !cluster.options.enableConfigMapMutable && /^(binaryD|d)ata$|^immutable$/.test(top);
  if (kind === "Secret") return !cluster.options.enableSecretMutable && /^(stringD|d)ata$|^immutable$|^type$/.test(top);
  if (kind === "Job") return /^spec\.(selector|template)/.test(path);
  if (["Deployment", "DaemonSet", "ReplicaSet"].includes(kind)) return path.startsWith("spec.selector");
  if (kind === "StatefulSet")
    return /^spec\.(selector|serviceName|volumeClaimTemplates|podManagementPolicy)/.test(path);
  if (kind === "Service") return /^spec\.clusterIPs?\b/.test(path);
  return /Binding$/.test(kind) && path.startsWith("roleRef");
};

export const diffObject = (cluster: Cluster, oldInputs: Dict, news: Dict): Differs => {
  const changes = difference(oldInputs, news);
  const kind = String(news["kind"]);
  const replaces = [...changes.keys()].filter((path) => immutable(kind, path, cluster));
  const sameName = idOf(oldInputs) === idOf(news) && annotation(news, autonamed) !== "true";
  return { changes, replaces, deleteBeforeReplace: replaces.length > 0 && sameName };
};

/** What of the live object goes into the state: not what changes by itself. Secret parts stay secret. */
const outputsOf = (inputs: Dict, live: Record<string, unknown>): Dict => {
  const { metadata, ...rest } = live as Record<string, unknown> & { metadata?: Record<string, unknown> };
  const { managedFields: _, ...kept } = metadata ?? {};
  const outputs = keepSecrets(inputs, { ...rest, metadata: kept } as Dict) as Dict;
  if (outputs["kind"] !== "Secret") return outputs;
  for (const name of ["data", "stringData"]) {
    const value = outputs[name];
    if (value !== undefined && !(value instanceof Secret)) outputs[name] = new Secret(value);
  }
  return outputs;
};

const keepSecrets = (inputs: Value, live: Value): Value => {
  if (inputs instanceof Secret) return new Secret(live);
  if (Array.isArray(inputs) && Array.isArray(live))
    return live.map((member, i) => keepSecrets(inputs[i] ?? null, member));
  if (!isDict(inputs) || !isDict(live)) return live;
  return Object.fromEntries(Object.entries(live).map(([key, value]) => [key, keepSecrets(inputs[key] ?? null, value)]));
};

const reference = (object: Dict): string => {
  const { apiVersion, kind } = object;
  const metadata = revealDict(metadataOf(object));
  return JSON.stringify({ apiVersion, kind, metadata: { name: metadata["name"], namespace: metadata["namespace"] } });
};

const find = async (
  cluster: Cluster,
  object: Dict,
  signal: AbortSignal,
): Promise<Record<string, unknown> | undefined> => {
  const args = ["get", "--filename=-", "--output=json", "--ignore-not-found"];
  const { code, stdout, stderr } = await cluster.kubectl(args, { signal, stdin: reference(object) });
  if (code !== 0) throw new Error(`${object["kind"]} ${idOf(object)} cannot be read: ${stderr.trim()}`);
  if (stdout.trim() === "") return undefined;
  const found = JSON.parse(stdout) as Record<string, unknown>;
  // With --ignore-not-found kubectl answers with a list of one.
  return found["kind"] === "List" ? (found["items"] as Record<string, unknown>[])[0] : found;
};

const apply = async (
  cluster: Cluster,
  inputs: Dict,
  signal: AbortSignal,
  dryRun = false,
): Promise<Record<string, unknown>> => {
  const force = cluster.options.enablePatchForce || annotation(inputs, patchForce) === "true";
  const args = ["apply", "--server-side", `--field-manager=${fieldManager}`, "--filename=-", "--output=json"];
  if (force) args.push("--force-conflicts");
  if (dryRun) args.push("--dry-run=server");
  const stdin = JSON.stringify(revealDict(inputs));
  const { code, stdout, stderr } = await cluster.kubectl(args, { signal, stdin });
  if (code !== 0) throw new Error(`${inputs["kind"]} ${idOf(inputs)} was refused by the API server: ${stderr.trim()}`);
  return JSON.parse(stdout) as Record<string, unknown>;
};

/** The API server's own answer where it can give one; the inputs, with an unknown status, where it cannot yet. */
const previewed = async (cluster: Cluster, subject: Subject, inputs: Dict): Promise<Dict> => {
  const fallback: Dict = { ...inputs, status: unknown };
  if (containsUnknown(inputs)) return fallback;
  if ((await cluster.unreachable(subject.signal)) !== undefined) return fallback;
  try {
    const live = await apply(cluster, inputs, subject.signal, true);
    const metadata = { ...(live["metadata"] as Record<string, unknown>) };
    for (const name of ["uid", "creationTimestamp", "resourceVersion", "generation"]) delete metadata[name];
    return outputsOf(inputs, { ...live, metadata });
  } catch (error) {
    // A namespace or a kind that the same update is going to make is not there yet.
    if (error instanceof Error && /not found|no matches for kind/.test(error.message)) return fallback;
    throw error;
  }
};

const settle = async (
  cluster: Cluster,
  subject: Subject,
  inputs: Dict,
  live: Record<string, unknown>,
): Promise<Created> => {
  const reason = await waitUntilReady(cluster, subject, inputs, live);
  const settled = (await find(cluster, inputs, new AbortController().signal)) ?? live;
  const created = { id: idOf(inputs), outputs: outputsOf(inputs, settled) };
  if (reason !== undefined) throw new InitializationFailed({ ...created, inputs }, [reason]);
  return created;
};

export const createObject = async (
  cluster: Cluster,
  subject: Subject,
  inputs: Dict,
  preview: boolean,
): Promise<Created> => {
  if (preview) return { id: "", outputs: await previewed(cluster, subject, inputs) };
  if (!cluster.options.upsertExistingObjects && (await find(cluster, inputs, subject.signal)) !== undefined) {
    throw new Error(
      `${inputs["kind"]} ${idOf(inputs)} already exists: import it into the stack, or delete it, or give this one another name`,
    );
  }
  return settle(cluster, subject, inputs, await apply(cluster, inputs, subject.signal));
};

export const updateObject = async (
  cluster: Cluster,
  subject: Subject,
  inputs: Dict,
  preview: boolean,
): Promise<Dict> => {
  if (preview) return previewed(cluster, subject, inputs);
  return (await settle(cluster, subject, inputs, await apply(cluster, inputs, subject.signal))).outputs;
};

/** The inputs with the values they have in the cluster: what was changed behind the program's back shows as a difference. */
const overlay = (inputs: Value, live: Value | undefined): Value => {
  if (live === undefined) return inputs;
  if (inputs instanceof Secret) return new Secret(overlay(inputs.value, live));
  if (isDict(inputs) && isDict(live)) {
    return Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, overlay(value, live[key])]));
  }
  if (Array.isArray(inputs) && Array.isArray(live) && inputs.length === live.length) {
    return inputs.map((value, i) => overlay(value, live[i]));
  }
  return live;
};

export const readObject = async (
  cluster: Cluster,
  subject: Subject,
  id: string,
  inputs: Dict,
): Promise<Found | undefined> => {
  const [first = "", second] = id.split("/");
  const metadata: Dict = second === undefined ? { name: first } : { namespace: first, name: second };
  const wanted: Dict = Object.keys(inputs).length > 0 ? inputs : { ...identityOf(subject.type), metadata };
  const live = await find(cluster, wanted, subject.signal);
  if (live === undefined) return undefined;
  return { id, inputs: overlay(wanted, live as Dict) as Dict, outputs: outputsOf(wanted, live) };
};

export const deleteObject = async (cluster: Cluster, subject: Subject, outputs: Dict): Promise<void> => {
  const seconds = subject.timeoutSeconds > 0 ? subject.timeoutSeconds : 600;
  const args = ["delete", "--filename=-", "--ignore-not-found", "--wait=true", `--timeout=${seconds}s`];
  const { code, stderr } = await cluster.kubectl(args, { signal: subject.signal, stdin: reference(outputs) });
  if (code !== 0) throw new Error(`${outputs["kind"]} ${idOf(outputs)} was not deleted: ${stderr.trim()}`);
};
