// SPDX-License-Identifier: Apache-2.0
// Brings the kernel in step with the cluster: plans, executes, retries what failed, and repairs what others changed.

import type { HealthCheck } from "../core/health-checks.ts";
import type { KernelMirror } from "../core/kernel-mirror.ts";
import { isComplete, type Snapshot } from "../core/kubernetes-objects.ts";
import type { LoadBalancing } from "../core/load-balancing.ts";
import { fitNetwork, fullConnectionMaps, type NodeCapacity, nodeNeeds } from "../core/node-capacity.ts";
import type { Capacity, Kernel, NodeNetwork, Protocol } from "../core/operation.ts";
import { markGone, type Plan } from "../core/plan.ts";
import type { Problem } from "../core/problem.ts";
import { SyncPlanner } from "../core/sync-planner.ts";
import { Backoff, type BackoffLimits } from "./backoff.ts";
import { ChangeLog, type Changes } from "./change-log.ts";
import type { ClusterChange } from "./cluster-view.ts";
import { inSlices } from "./in-slices.ts";
import { KernelAccount } from "./kernel-account.ts";
import { KubeProxyMetrics } from "./kube-proxy-metrics.ts";
import { errorText, type Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { type Executed, OperationExecutor, reasonOf } from "./operation-executor.ts";
import { PassTimer } from "./pass-timer.ts";
import { type Announce, ProblemReport } from "./problem-report.ts";
import type { Attachment } from "./program-attachment.ts";
import type { StaleSockets } from "./stale-sockets.ts";
import { SyncLag } from "./sync-lag.ts";
import { NO_SYNC_YET, type SyncStatus } from "./sync-status.ts";

export interface ReconcilerOptions {
  readonly kernel: Kernel;
  readonly nodeName: string;
  readonly balancing?: LoadBalancing;
  readonly snapshot: () => Snapshot;
  readonly resourceVersions: () => Readonly<Record<string, string>>;
  /** Node-wide facts for the programs; undefined while they are not known. */
  readonly network: (snapshot: Snapshot) => NodeNetwork | undefined;
  readonly room: Room;
  /** Attaches the programs once the first sync has been through. */
  readonly attachment: Attachment;
  readonly staleSockets: Pick<StaleSockets, "note" | "release">;
  /** Tells a Service or Pod that it is not served as asked; called once per change. */
  readonly announce: Announce;
  /** Opens the health check ports of this node, and says which it could not open before. */
  readonly checkHealth: (checks: readonly HealthCheck[]) => readonly Problem[];
  /** The first full sync is in the kernel. */
  readonly onReady?: () => void;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly timing?: Partial<ReconcilerTiming>;
}

/** Makes maps larger where they are too full, with all that they hold; throws when it cannot. */
export interface Room {
  /** True when it did. */
  forServices(needs: Capacity): Promise<boolean>;
  /** Returns what fits now. */
  forNode(needs: NodeCapacity): Promise<NodeCapacity>;
  /** Returns the maps of connections that are full and may not grow. */
  forConnections(): Promise<readonly string[]>;
}

export interface ReconcilerTiming {
  /** Under load, changes that come closer together than this are one sync; the first after a quiet time does not wait. */
  readonly coalesceMs: number;
  readonly resyncMs: number;
  readonly retry: BackoffLimits;
  /** With a change waiting for longer than this the agent counts as stuck. */
  readonly stuckMs: number;
}

const TIMING: ReconcilerTiming = {
  coalesceMs: 10,
  resyncMs: 60_000,
  retry: { firstMs: 500, limitMs: 30_000 },
  stuckMs: 60_000,
};
const SHORTEST_CLEANUP_PAUSE_MS = 1_000;
/** What cannot be found of a Pod may be there soon. */
const POD_RETRY_MS = 2_000;

const SCTP: Protocol = 132;

const now = () => performance.now();

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #timing: ReconcilerTiming;
  readonly #backoff: Backoff;
  readonly #timer: PassTimer;
  readonly #changes: ChangeLog;
  readonly #planner: SyncPlanner;
  readonly #account: KernelAccount;
  readonly #executor: OperationExecutor;
  readonly #problems: ProblemReport;
  readonly #kubeProxyMetrics: KubeProxyMetrics;
  readonly #lag = new SyncLag(now);
  #changedSince: number | undefined;
  #resyncAt = 0;
  #growthAt = 0;
  /** What does not fit into the maps of nodes and connections. */
  #ofNode: readonly Problem[] = [];
  #ofConnections: readonly Problem[] = [];
  /** Unknown until it is asked for, which is before it matters. */
  #nodeCapacity: NodeCapacity = { nodeAddresses: Number.POSITIVE_INFINITY, networks: Number.POSITIVE_INFINITY };
  #attached = false;
  #servedSctp = false;
  #unmet: readonly Problem[] = [];
  #ready = false;
  #status = NO_SYNC_YET;

  constructor(options: ReconcilerOptions) {
    const { kernel, nodeName, log, metrics } = options;
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#backoff = new Backoff(this.#timing.retry);
    const isWhole = () => this.#changes.everything || now() >= this.#resyncAt;
    this.#timer = new PassTimer(() => this.#pass(), this.#timing.coalesceMs, isWhole);
    this.#planner = new SyncPlanner(nodeName, options.balancing);
    this.#changes = new ChangeLog(() => this.#planner.askedAddresses);
    this.#account = new KernelAccount(kernel, log, metrics);
    this.#executor = new OperationExecutor(kernel, log, metrics);
    this.#problems = new ProblemReport(log, metrics, options.announce);
    this.#kubeProxyMetrics = new KubeProxyMetrics(metrics.registry, () => this.#changes.pending);
    metrics.registerSyncLag(() => this.#lag.seconds);
  }

  status(): SyncStatus {
    const stuck = this.#changedSince !== undefined && now() - this.#changedSince > this.#timing.stuckMs;
    const current = !this.#timer.isRunning && this.#changedSince === undefined && this.#status.pending === 0;
    // With nothing waiting, what the watches have seen since the last sync changed nothing: it is in the kernel too.
    const resourceVersions = current && this.#ready ? this.#options.resourceVersions() : this.#status.resourceVersions;
    return { ...this.#status, resourceVersions, ready: this.#ready, stuck };
  }

  /** What is behind the status, for people who ask. */
  account(): Pick<KernelAccount, "mirror" | "network"> & { drift: number; problems: readonly Problem[] } {
    const { mirror, network, driftRepaired: drift } = this.#account;
    return { mirror, network, drift, problems: this.#problems.known() };
  }

  /** A watch has seen something: sync soon, if it can make a difference. */
  changed(change: ClusterChange): void {
    if (this.#changes.note(change)) this.#request();
  }

  /** Look at everything again, soon. */
  trigger(): void {
    this.#changes.putBack();
    this.#request();
  }

  stop(): Promise<void> {
    return this.#timer.stop();
  }

  #request(): void {
    this.#changedSince ??= isComplete(this.#options.snapshot()) ? now() : undefined;
    this.#lag.asked();
    this.#kubeProxyMetrics.queued();
    this.#timer.request();
  }

  /** One sync; returns when the next one is due if nothing changes before. Never rejects. */
  async #pass(): Promise<number> {
    const snapshot = this.#options.snapshot();
    if (!isComplete(snapshot)) return Number.POSITIVE_INFINITY;
    this.#changedSince = undefined;
    const startedAt = now();
    // Nothing may come in between these: what is taken is what the snapshot has beyond the last sync's.
    const changes = this.#changes.take();
    this.#lag.began();
    const endPhase = this.#options.metrics.phases();
    const resourceVersions = { ...this.#options.resourceVersions() };
    let [whole, ok] = [true, false];
    try {
      const isResync = startedAt >= this.#resyncAt;
      const mirror = await this.#look(snapshot, changes, isResync);
      let next = await this.#plan(mirror, snapshot, changes, isResync);
      if (await this.#grow(() => this.#options.room.forServices(next.needs), false))
        next = await this.#plan(mirror, snapshot, changes, true);
      whole = next.whole;
      endPhase("plan");
      const { failed, lostUdpBackends } = await this.#carryOut(mirror, next);
      ok = failed === 0;
      this.#planner.carriedOut(ok);
      endPhase("write");
      // Also when some writes failed: one Service in trouble must not keep the others from being served.
      await this.#attach(snapshot, isResync, changes.pods, mirror.serves(SCTP));
      if (lostUdpBackends) this.#options.staleSockets.note();
      this.#options.staleSockets.release();
      if (ok) this.#becomeReady();
      // After the writes: a load balancer that is told of endpoints sends traffic at once.
      const unopened = this.#options.checkHealth(this.#planner.healthChecks);
      endPhase("attach");
      const problems = [...next.problems, ...this.#unmet, ...unopened, ...this.#ofNode, ...this.#ofConnections];
      this.#report({ ...next, problems }, failed, resourceVersions);
      return this.#nextPassAt(mirror, ok);
    } catch (error) {
      ok = false;
      this.#planner.carriedOut(false);
      return this.#failed(error);
    } finally {
      const seconds = (now() - startedAt) / 1000;
      this.#lag.ended(ok);
      if (!ok) this.#changes.putBack(changes);
      this.#kubeProxyMetrics.synced(changes, { seconds, whole, ok });
    }
  }

  /** What the kernel holds, with the node's facts in it as they are now. */
  async #look(snapshot: Snapshot, { nodes }: Changes, isResync: boolean): Promise<KernelMirror> {
    const known = isResync ? undefined : this.#account.mirror;
    const mirror = known ?? (await this.#account.check());
    if (isResync) {
      this.#resyncAt = now() + this.#timing.resyncMs;
      const full = await this.#grow(() => this.#options.room.forConnections(), []);
      this.#ofConnections = fullConnectionMaps(full, this.#options.nodeName);
    }
    if (nodes || isResync || !this.#account.network) await this.#configure(snapshot);
    return mirror;
  }

  #plan(mirror: KernelMirror, snapshot: Snapshot, { everything, slices }: Changes, isWhole: boolean) {
    const input = {
      ...{ snapshot, capacity: this.#options.kernel.capacity, slices: slices.values() },
      facts: this.#account.network ?? {},
      everything: everything || isWhole,
    };
    return inSlices(this.#planner.plan(mirror, input, now()));
  }

  async #carryOut(mirror: KernelMirror, next: Plan): Promise<Executed> {
    const isStopped = () => this.#timer.isStopped;
    const planned = await this.#executor.execute(mirror, next.operations, isStopped);
    const marked = await this.#executor.execute(mirror, markGone(mirror, next), isStopped);
    return {
      failed: planned.failed + marked.failed,
      lostUdpBackends: planned.lostUdpBackends || marked.lostUdpBackends,
    };
  }

  /** Maps that cannot grow are no reason to stop: what does not fit is refused alone, and it is tried again later. */
  async #grow<T>(growth: () => Promise<T>, otherwise: T): Promise<T> {
    if (now() < this.#growthAt) return otherwise;
    try {
      return await growth();
    } catch (error) {
      this.#growthAt = now() + this.#timing.resyncMs;
      this.#options.metrics.failedGrowths.inc();
      this.#options.log.error("the maps cannot be made larger", { error: errorText(error) });
      // Some programs may have changed over.
      this.#attached = false;
      return otherwise;
    }
  }

  async #configure(snapshot: Snapshot): Promise<void> {
    const { network, nodeName, room } = this.#options;
    const facts = network(snapshot);
    if (!facts) throw new Error(`Node ${nodeName} is not known with an InternalIP yet`);
    this.#nodeCapacity = await this.#grow(() => room.forNode(nodeNeeds(facts)), this.#nodeCapacity);
    const fitted = fitNetwork(facts, this.#nodeCapacity, nodeName);
    this.#ofNode = fitted.problems;
    this.#account.configure(fitted.network);
  }

  #nextPassAt(mirror: KernelMirror, ok: boolean): number {
    if (!ok) return now() + this.#backoff.nextMs();
    this.#backoff.reset();
    const releaseAt = Math.max(mirror.nextReleaseAt() ?? this.#resyncAt, now() + SHORTEST_CLEANUP_PAUSE_MS);
    return Math.min(this.#resyncAt, releaseAt, this.#unmet.length > 0 ? now() + POD_RETRY_MS : this.#resyncAt);
  }

  /** Notes what stands in the way of Pods whose packets are to be served. */
  async #attach(snapshot: Snapshot, isResync: boolean, podsChanged: boolean, servesSctp: boolean): Promise<void> {
    const wasAttached = this.#attached;
    this.#attached &&= !isResync;
    const same = !podsChanged && servesSctp === this.#servedSctp;
    if (this.#attached && same && this.#unmet.length === 0) return;
    const { attached, problems } = await this.#options.attachment.sync(snapshot, !this.#attached, servesSctp);
    this.#servedSctp = servesSctp;
    if (isResync && wasAttached && attached.length > 0) {
      this.#options.log.warn("programs had been detached by others, attached them again", { attached });
      this.#options.metrics.drift.inc({ map: "links" }, attached.length);
    }
    this.#attached = true;
    this.#unmet = problems;
  }

  #becomeReady(): void {
    if (this.#ready) return;
    this.#ready = true;
    this.#options.metrics.ready.set(1);
    this.#options.onReady?.();
    this.#options.log.info("ready: the first full sync is in the kernel");
  }

  #report(done: Plan, failed: number, resourceVersions: Record<string, string>): void {
    const { metrics } = this.#options;
    const pending = failed + done.deferred.length;
    const lastSync = failed === 0 ? new Date() : this.#status.lastSync;
    const reason = failed === 0 ? "" : `${failed} writes to the kernel have failed and are being retried`;
    const { served } = done;
    this.#problems.update(done.problems);
    this.#status = { ...served, reason, pending, problems: done.problems.length, lastSync, resourceVersions };
    metrics.services.set(served.services);
    metrics.frontends.set(served.frontends);
    metrics.endpoints.set(served.endpoints);
    metrics.pendingWrites.set(pending);
    if (failed === 0) metrics.lastSync.setToCurrentTime();
  }

  #failed(error: unknown): number {
    const retryMs = this.#backoff.nextMs();
    const pending = Math.max(1, this.#status.pending);
    this.#options.metrics.failedWrites.inc({ reason: reasonOf(error) });
    this.#options.metrics.pendingWrites.set(pending);
    this.#status = { ...this.#status, reason: errorText(error), pending };
    this.#options.log.error("the sync failed, trying again", {
      error: errorText(error),
      retryInMs: Math.round(retryMs),
    });
    return now() + retryMs;
  }
}
