// SPDX-License-Identifier: Apache-2.0
// Gives Services of type LoadBalancer an address of the stack's own network and leads it to the nodes that serve it.
import {
  ApiException,
  CoreV1Api,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1Node,
  type V1Service,
} from "@kubernetes/client-node";
import { excludedFromBalancers } from "./cluster-fit.ts";
import type { LoadBalancerRouter } from "./load-balancer-router.ts";

/** The finalizer by which a load balancer's controller keeps a Service until its address is taken back. */
const finalizer = "service.kubernetes.io/load-balancer-cleanup";
const everyMs = 500;
const conflict = 409;
const healthTimeoutMs = 1_000;
/** Last bytes of the addresses that are given away: machines have lower ones. */
const firstByte = 200;
const lastByte = 250;

type Report = (problem: string) => void;

export class LoadBalancerAssigner {
  readonly #api: CoreV1Api;
  readonly #router: LoadBalancerRouter;
  readonly #report: Report;
  /** Address by the Service's uid. */
  readonly #given = new Map<string, string>();
  readonly #stopped = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(kubeconfig: string, router: LoadBalancerRouter, report: Report) {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    this.#api = config.makeApiClient(CoreV1Api);
    this.#router = router;
    this.#report = report;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
    await this.#router.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    let last = "";
    while (!signal.aborted) {
      try {
        await this.#pass();
        last = "";
      } catch (error) {
        // The API server is restarted by some tests, and a Service may change while it is patched: the next pass sees.
        const problem = error instanceof ApiException && error.code === conflict ? "" : firstLine(error);
        if (problem !== "" && problem !== last) this.#report(problem);
        last = problem;
      }
      await new Promise((resume) => setTimeout(resume, everyMs));
    }
  }

  async #pass(): Promise<void> {
    const services = (await this.#api.listServiceForAllNamespaces()).items;
    const uids = new Set(services.map(uidOf));
    for (const [uid, address] of this.#given) if (!uids.has(uid)) await this.#takeBack(uid, address);
    const wanting = services.filter((service) => isBalanced(service) || hasFinalizer(service));
    if (wanting.length === 0) return;
    const nodes = await this.#nodes();
    for (const service of wanting) {
      if (isBalanced(service)) await this.#serve(service, nodes);
      else await this.#release(service);
    }
  }

  async #nodes(): Promise<ReadonlyMap<string, string>> {
    const nodes = (await this.#api.listNode()).items.filter(
      (node) => node.metadata?.labels?.[excludedFromBalancers] === undefined,
    );
    return new Map(nodes.map((node) => [node.metadata?.name ?? "", internalAddress(node)]));
  }

  async #serve(service: V1Service, nodes: ReadonlyMap<string, string>): Promise<void> {
    const uid = uidOf(service);
    const address = this.#given.get(uid) ?? addressOf(service) ?? this.#free([...nodes.values()][0] ?? "");
    this.#given.set(uid, address);
    if (!hasFinalizer(service))
      await this.#setFinalizers(service, [...(service.metadata?.finalizers ?? []), finalizer]);
    await this.#router.lead(address, await this.#serving(service, [...nodes.values()]));
    if (addressOf(service) !== address) await this.#setStatus(service, { ingress: [{ ip: address }] });
  }

  /** Nodes that take connections: all of them, or those whose health check says they have endpoints of their own. */
  async #serving(service: V1Service, nodes: readonly string[]): Promise<string[]> {
    const { externalTrafficPolicy, healthCheckNodePort, sessionAffinity } = service.spec ?? {};
    const local = externalTrafficPolicy === "Local" && healthCheckNodePort !== undefined;
    const healthy = await Promise.all(
      nodes.map(async (node) => !local || (await isHealthy(node, healthCheckNodePort))),
    );
    const serving = nodes.filter((_, index) => healthy[index]).sort();
    // One client is all this box is, so that keeping it on one node is what affinity asks of a load balancer.
    return sessionAffinity === "ClientIP" ? serving.slice(0, 1) : serving;
  }

  async #release(service: V1Service): Promise<void> {
    const uid = uidOf(service);
    const address = this.#given.get(uid);
    if (address !== undefined) await this.#takeBack(uid, address);
    if (addressOf(service) !== undefined) await this.#setStatus(service, { ingress: null });
    const others = (service.metadata?.finalizers ?? []).filter((name) => name !== finalizer);
    await this.#setFinalizers(service, others);
  }

  async #takeBack(uid: string, address: string): Promise<void> {
    await this.#router.forget(address);
    this.#given.delete(uid);
  }

  #free(node: string): string {
    const network = node.split(".").slice(0, 3).join(".");
    const taken = new Set(this.#given.values());
    for (let byte = firstByte; byte <= lastByte; byte += 1) {
      const address = `${network}.${byte}`;
      if (!taken.has(address)) return address;
    }
    throw new Error(`All addresses from ${network}.${firstByte} to ${network}.${lastByte} are given to Services.`);
  }

  async #setStatus(service: V1Service, loadBalancer: object): Promise<void> {
    const body = { status: { loadBalancer } };
    await this.#api.patchNamespacedServiceStatus({ ...nameOf(service), body }, mergePatch);
  }

  async #setFinalizers(service: V1Service, finalizers: readonly string[]): Promise<void> {
    const body = { metadata: { finalizers, resourceVersion: service.metadata?.resourceVersion } };
    await this.#api.patchNamespacedService({ ...nameOf(service), body }, mergePatch);
  }
}

const mergePatch = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);

/** A Service that is being deleted gives its load balancer back. */
const isBalanced = (service: V1Service): boolean =>
  service.spec?.type === "LoadBalancer" &&
  service.spec.loadBalancerClass === undefined &&
  service.metadata?.deletionTimestamp === undefined;

const hasFinalizer = (service: V1Service): boolean => service.metadata?.finalizers?.includes(finalizer) ?? false;
const uidOf = (service: V1Service): string => service.metadata?.uid ?? "";
const addressOf = (service: V1Service): string | undefined => service.status?.loadBalancer?.ingress?.[0]?.ip;
const nameOf = ({ metadata }: V1Service) => ({ name: metadata?.name ?? "", namespace: metadata?.namespace ?? "" });

const internalAddress = (node: V1Node): string =>
  node.status?.addresses?.find(({ type }) => type === "InternalIP")?.address ?? "";

async function isHealthy(node: string, port: number | undefined): Promise<boolean> {
  try {
    const answer = await fetch(`http://${node}:${port}/healthz`, { signal: AbortSignal.timeout(healthTimeoutMs) });
    await answer.body?.cancel();
    return answer.status === 200;
  } catch {
    // No answer is an answer: a load balancer does not send anything to such a node.
    return false;
  }
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
