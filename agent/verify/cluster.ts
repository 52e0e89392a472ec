// SPDX-License-Identifier: Apache-2.0
// What the commands ask of a Kubernetes API server: the boundary between them and the network.
import type {
  V1ConfigMap,
  V1DaemonSet,
  V1Deployment,
  V1Namespace,
  V1Node,
  V1Pod,
  V1Service,
  V1ServiceAccount,
} from "@kubernetes/client-node";
import type { ProxiedObjects } from "./object-counts.ts";

/** Every method throws `ClusterError` with a sentence. */
export interface Cluster {
  /** The API server's URL, for messages. */
  readonly server: string;
  nodes(): Promise<readonly V1Node[]>;
  daemonSets(): Promise<readonly V1DaemonSet[]>;
  deployments(namespace: string, labelSelector: string): Promise<readonly V1Deployment[]>;
  pods(namespace?: string, labelSelector?: string): Promise<readonly V1Pod[]>;
  /** Undefined when there is none. */
  service(namespace: string, name: string): Promise<V1Service | undefined>;
  services(): Promise<readonly V1Service[]>;
  proxiedObjects(): Promise<ProxiedObjects>;
  podsOnNode(node: string): Promise<readonly V1Pod[]>;
  podLog(namespace: string, pod: string): Promise<string>;
  /** Standard output of a command in a container; throws also when the command fails. */
  runInPod(namespace: string, pod: string, container: string, command: readonly string[]): Promise<string>;
  namespaces(labelSelector: string): Promise<readonly V1Namespace[]>;
  createNamespace(body: V1Namespace): Promise<void>;
  createServiceAccount(body: V1ServiceAccount): Promise<void>;
  createConfigMap(body: V1ConfigMap): Promise<void>;
  createDaemonSet(body: V1DaemonSet): Promise<void>;
  createService(body: V1Service): Promise<V1Service>;
  createPod(body: V1Pod): Promise<void>;
  /** Succeeds also when there is no such Service. Returns before it is gone. */
  deleteService(namespace: string, name: string): Promise<void>;
  /** Succeeds also when there is no such namespace. Returns before it is gone. */
  deleteNamespace(name: string): Promise<void>;
}

/** `status` is the HTTP status; undefined when no answer came. */
export class ClusterError extends Error {
  override readonly name = "ClusterError";
  readonly status: number | undefined;
  constructor(message: string, status: number | undefined, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** Waiting does not help: the credentials are refused. */
export const isRefused = (error: unknown): boolean =>
  error instanceof ClusterError && (error.status === 401 || error.status === 403);
