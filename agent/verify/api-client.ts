// SPDX-License-Identifier: Apache-2.0
// The `Cluster` boundary over HTTP, with client-node's generated REST calls; each call has a time limit, each failure a sentence.
import { STATUS_CODES } from "node:http";
import {
  AppsV1Api,
  CoreV1Api,
  createConfiguration,
  DiscoveryV1Api,
  type KubeConfig,
  type RequestContext,
  type ResponseContext,
  ServerConfiguration,
} from "@kubernetes/client-node";
import { type Cluster, ClusterError } from "./cluster.ts";
import { UsageError } from "./kubeconfig.ts";
import { runInPod } from "./pod-command.ts";

const TIMEOUT_MS = 20_000;
const PAGE = 500;
/** What a Service proxy has to serve: neither headless nor another proxy's. */
const PROXIED = "!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless";

const statusMessage = (status: number, body: unknown): string => {
  let value = body;
  if (typeof body === "string") {
    try {
      value = JSON.parse(body);
    } catch {
      return body.slice(0, 200).trim();
    }
  }
  const message = (value as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : (STATUS_CODES[status] ?? "no message");
};

/** An undici failure hides its reason in `cause`; client-node's error text holds headers, which are not shown. */
const describeError = (server: string, action: string, error: unknown): ClusterError => {
  const status = (error as { code?: unknown }).code;
  if (typeof status === "number") {
    const message = statusMessage(status, (error as { body?: unknown }).body);
    return new ClusterError(`could not ${action}: ${server} answered ${status}: ${message}`, status, { cause: error });
  }
  const { name, message, cause } = error as Error;
  const timedOut = name === "TimeoutError" || (cause as Error | undefined)?.name === "TimeoutError";
  const reason = timedOut
    ? `no answer within ${TIMEOUT_MS / 1000} s`
    : ((cause as Error | undefined)?.message ?? message);
  return new ClusterError(`could not ${action}: ${server} cannot be reached: ${reason}`, undefined, { cause: error });
};

const limitTime = {
  pre: async (context: RequestContext): Promise<RequestContext> => {
    context.setSignal(AbortSignal.timeout(TIMEOUT_MS));
    return context;
  },
  post: async (context: ResponseContext): Promise<ResponseContext> => context,
};

interface Page<T> {
  items: T[];
  metadata?: { _continue?: string };
}
type Paging = { limit: number; _continue?: string };

const listAll = async <T>(page: (paging: Paging) => Promise<Page<T>>): Promise<readonly T[]> => {
  const items: T[] = [];
  let next: string | undefined;
  do {
    const { items: more, metadata } = await page({ limit: PAGE, ...(next ? { _continue: next } : {}) });
    items.push(...more);
    next = metadata?._continue;
  } while (next);
  return items;
};

export const connectCluster = (config: KubeConfig): Cluster => {
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new UsageError("the kubeconfig names no cluster in its current context");
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(server, {}),
    authMethods: { default: config },
    promiseMiddleware: [limitTime],
  });
  const core = new CoreV1Api(configuration);
  const apps = new AppsV1Api(configuration);
  const discovery = new DiscoveryV1Api(configuration);
  const attempt = async <T>(action: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      throw describeError(server, action, error);
    }
  };
  const orUndefined = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (error instanceof ClusterError && error.status === 404) return undefined;
      throw error;
    }
  };
  const create = async (kind: string, name: string | undefined, call: () => Promise<unknown>): Promise<void> => {
    await attempt(`create ${kind} ${name}`, call);
  };
  const inNamespace = <T extends { metadata?: { namespace?: string } }>(body: T): { namespace: string; body: T } => ({
    namespace: body.metadata?.namespace ?? "default",
    body,
  });

  return {
    server,
    nodes: () => attempt("list nodes", () => listAll((paging) => core.listNode(paging))),
    daemonSets: () => attempt("list DaemonSets", () => listAll((paging) => apps.listDaemonSetForAllNamespaces(paging))),
    deployments: (namespace, labelSelector) =>
      attempt("list Deployments", () =>
        listAll((paging) => apps.listNamespacedDeployment({ namespace, labelSelector, ...paging })),
      ),
    pods: (namespace, labelSelector) =>
      attempt("list Pods", () =>
        listAll((paging) => {
          const selected = { ...paging, ...(labelSelector ? { labelSelector } : {}) };
          return namespace
            ? core.listNamespacedPod({ namespace, ...selected })
            : core.listPodForAllNamespaces(selected);
        }),
      ),
    service: (namespace, name) =>
      orUndefined(attempt(`read Service ${namespace}/${name}`, () => core.readNamespacedService({ namespace, name }))),
    services: () => attempt("list Services", () => listAll((paging) => core.listServiceForAllNamespaces(paging))),
    proxiedObjects: () =>
      attempt("list Services, EndpointSlices and Nodes", async () => {
        const selected = { labelSelector: PROXIED };
        return {
          services: await listAll((paging) => core.listServiceForAllNamespaces({ ...selected, ...paging })),
          endpointSlices: await listAll((paging) =>
            discovery.listEndpointSliceForAllNamespaces({ ...selected, ...paging }),
          ),
          nodes: await listAll((paging) => core.listNode(paging)),
        };
      }),
    podsOnNode: (node) =>
      attempt(`list the Pods of node ${node}`, () =>
        listAll((paging) => core.listPodForAllNamespaces({ fieldSelector: `spec.nodeName=${node}`, ...paging })),
      ),
    podLog: (namespace, name) =>
      attempt(`read the log of Pod ${name}`, () => core.readNamespacedPodLog({ namespace, name })),
    runInPod: (namespace, pod, container, command) => runInPod(config, namespace, pod, container, command),
    namespaces: (labelSelector) =>
      attempt("list namespaces", () => listAll((paging) => core.listNamespace({ labelSelector, ...paging }))),
    createNamespace: (body) => create("namespace", body.metadata?.name, () => core.createNamespace({ body })),
    createServiceAccount: (body) =>
      create("ServiceAccount", body.metadata?.name, () => core.createNamespacedServiceAccount(inNamespace(body))),
    createConfigMap: (body) =>
      create("ConfigMap", body.metadata?.name, () => core.createNamespacedConfigMap(inNamespace(body))),
    createDaemonSet: (body) =>
      create("DaemonSet", body.metadata?.name, () => apps.createNamespacedDaemonSet(inNamespace(body))),
    createService: (body) =>
      attempt(`create Service ${body.metadata?.name}`, () => core.createNamespacedService(inNamespace(body))),
    createPod: (body) => create("Pod", body.metadata?.name, () => core.createNamespacedPod(inNamespace(body))),
    deleteService: async (namespace, name) => {
      await orUndefined(
        attempt(`delete Service ${namespace}/${name}`, () => core.deleteNamespacedService({ namespace, name })),
      );
    },
    deleteNamespace: async (name) => {
      await orUndefined(attempt(`delete namespace ${name}`, () => core.deleteNamespace({ name })));
    },
  };
};
