// SPDX-License-Identifier: Apache-2.0
// Brings the kernel in step with the cluster: plans, executes, retries what failed, and repairs what others changed.

import { desiredState } from "../core/desired-state.ts";
import { driftOf, driftTotal } from "../core/drift.ts";
import { type HealthCheck, healthChecks } from "../core/health-checks.ts";
import { KernelMirror } from "../core/kernel-mirror.ts";
import { isComplete, type Snapshot } from "../core/kubernetes-objects.ts";
import type { Capacity, Kernel, NodeNetwork } from "../core/operation.ts";
import { type Plan, plan } from "../core/plan.ts";
import type { Problem } from "../core/problem.ts";
import { Backoff, type BackoffLimits } from "./backoff.ts";
import { errorText, type Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { OperationExecutor, reasonOf } from "./operation-executor.ts";
import { type Announce, ProblemReport } from "./problem-report.ts";
import type { Attachment } from "./program-attachment.ts";
import type { StaleSockets } from "./stale-sockets.ts";
import { mapUsage, NO_SYNC_YET, type SyncStatus } from "./sync-status.ts";

export interface ReconcilerOptions {
  readonly kernel: Kernel;
  readonly nodeName: string;
  readonly snapshot: () => Snapshot;
  readonly resourceVersions: () => Readonly<Record<string, string>>;
  /** Node-wide facts for the programs; undefined while they are not known. */
  readonly network: (snapshot: Snapshot) => NodeNetwork | undefined;
  /** Attaches the programs once the first sync has been through. */
  readonly attachment: Attachment;
  readonly staleSockets: Pick<StaleSockets, "note" | "release">;
  /** Tells a Service or Pod that it is not served as asked; called once per change. */
  readonly announce: Announce;
  /** Opens the health check ports of this node, and says which it could not open before. */
  readonly checkHealth: (checks: readonly HealthCheck[]) => readonly Problem[];
  readonly log: Log;
  readonly metrics: Metrics;
  readonly timing?: Partial<ReconcilerTiming>;
}

export interface ReconcilerTiming {
  /** Events that come closer together than this are one sync. */
  readonly coalesceMs: number;
  readonly resyncMs: number;
  readonly retry: BackoffLimits;
  /** With a change waiting for longer than this the agent counts as stuck. */
  readonly stuckMs: number;
}

const TIMING: ReconcilerTiming = {
  coalesceMs: 20,
  resyncMs: 60_000,
  retry: { firstMs: 500, limitMs: 30_000 },
  stuckMs: 60_000,
};
const SHORTEST_CLEANUP_PAUSE_MS = 1_000;
/** What cannot be found of a Pod may be there soon. */
const POD_RETRY_MS = 2_000;

const now = () => performance.now();

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #timing: ReconcilerTiming;
  readonly #backoff: Backoff;
  readonly #problems: ProblemReport;
  readonly #executor: OperationExecutor;
  #mirror: KernelMirror | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #stopped = false;
  #changedSince: number | undefined;
  #passEndedAt = 0;
  #passMs = 0;
  #resyncAt = 0;
  /** The facts last given to the kernel; empty when they must be given again. */
  #configuredAs = "";
  #attached = false;
  #driftRepaired = 0;
  #ready = false;
  #status = NO_SYNC_YET;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#backoff = new Backoff(this.#timing.retry);
    this.#problems = new ProblemReport(options.log, options.metrics, options.announce);
    this.#executor = new OperationExecutor(options.kernel, options.log, options.metrics);
  }

  status(): SyncStatus {
    const stuck = this.#changedSince !== undefined && now() - this.#changedSince > this.#timing.stuckMs;
    const current = this.#running === undefined && this.#changedSince === undefined && this.#status.pending === 0;
    // With nothing waiting, what the watches have seen since the last sync changed nothing: it is in the kernel too.
    const resourceVersions = current && this.#ready ? this.#options.resourceVersions() : this.#status.resourceVersions;
    return { ...this.#status, resourceVersions, ready: this.#ready, stuck };
  }

  /** What is behind the status, for people who ask. */
  account(): { mirror: KernelMirror | undefined; drift: number; problems: readonly Problem[] } {
    return { mirror: this.#mirror, drift: this.#driftRepaired, problems: this.#problems.known() };
  }

  /** Something has changed: sync soon. A burst of calls is one sync, and syncs never take more than half of the time. */
  trigger(): void {
    this.#changedSince ??= isComplete(this.#options.snapshot()) ? now() : undefined;
    const earliest = this.#passEndedAt + Math.max(this.#timing.coalesceMs, this.#passMs);
    this.#schedule(Math.max(now() + this.#timing.coalesceMs, earliest));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(at: number): void {
    if (this.#stopped || at >= this.#dueAt) return;
    this.#dueAt = at;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#begin(), Math.max(0, at - now()));
  }

  #begin(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
    if (this.#running) {
      this.trigger();
      return;
    }
    const startedAt = now();
    this.#running = this.#pass()
      .then((nextAt) => {
        this.#passEndedAt = now();
        this.#passMs = this.#passEndedAt - startedAt;
        this.#schedule(nextAt);
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** One sync; returns when the next one is due if nothing changes before. Never rejects. */
  async #pass(): Promise<number> {
    const snapshot = this.#options.snapshot();
    if (!isComplete(snapshot)) return Number.POSITIVE_INFINITY;
    this.#changedSince = undefined;
    const resourceVersions = { ...this.#options.resourceVersions() };
    const endTimer = this.#options.metrics.syncDuration.startTimer();
    try {
      const isResync = now() >= this.#resyncAt;
      const mirror = isResync ? this.#readKernel() : this.#mirror;
      if (!mirror) throw new Error("the maps have not been read");
      const { nodeAddresses } = this.#configure(snapshot);
      mirror.releaseExtents(now());
      const desired = desiredState(snapshot, this.#options.nodeName, nodeAddresses);
      const next = plan(mirror, desired, this.#options.kernel.capacity, now());
      const { failed, lostUdpBackends } = await this.#executor.execute(mirror, next.operations, () => this.#stopped);
      // Also when some writes failed: one Service in trouble must not keep the others from being served.
      const unmet = await this.#attach(snapshot, isResync);
      if (lostUdpBackends) this.#options.staleSockets.note();
      this.#options.staleSockets.release();
      if (failed === 0) this.#becomeReady();
      // After the writes: a load balancer that is told of endpoints sends traffic at once.
      const unopened = this.#options.checkHealth(healthChecks(snapshot, this.#options.nodeName));
      const done = { ...next, problems: [...next.problems, ...unmet, ...unopened] };
      this.#report(mirror, done, failed, resourceVersions);
      if (failed > 0) return now() + this.#backoff.nextMs();
      this.#backoff.reset();
      const releaseAt = Math.max(mirror.nextReleaseAt() ?? this.#resyncAt, now() + SHORTEST_CLEANUP_PAUSE_MS);
      return Math.min(this.#resyncAt, releaseAt, unmet.length > 0 ? now() + POD_RETRY_MS : this.#resyncAt);
    } catch (error) {
      return this.#failed(error);
    } finally {
      endTimer();
    }
  }

  /** Reads the maps at start and at each resync; what others changed since is counted, and the plan repairs it. */
  #readKernel(): KernelMirror {
    const { kernel, log, metrics } = this.#options;
    const read = kernel.read();
    if (this.#mirror) {
      const drift = driftOf(this.#mirror, read);
      this.#mirror.adopt(read, now());
      this.#driftRepaired += driftTotal(drift);
      if (driftTotal(drift) > 0) {
        log.warn("the maps were changed by others, repairing them", { ...drift });
        for (const [map, count] of Object.entries(drift)) metrics.drift.inc({ map }, count);
      }
      this.#configuredAs = "";
    } else {
      this.#mirror = new KernelMirror(read, now());
      log.info("read the maps", { frontends: read.frontends.size, backends: read.backends.size });
    }
    this.#resyncAt = now() + this.#timing.resyncMs;
    return this.#mirror;
  }

  #configure(snapshot: Snapshot): NodeNetwork {
    const network = this.#options.network(snapshot);
    if (!network) throw new Error(`Node ${this.#options.nodeName} is not known with an IPv4 InternalIP yet`);
    const text = JSON.stringify(network);
    if (text === this.#configuredAs) return network;
    const writes = this.#options.kernel.configure(network);
    this.#configuredAs = text;
    if (writes > 0) {
      this.#options.metrics.writes.inc({ operation: "configure" }, writes);
      const { masqueradeAddress, nodeAddresses, podCidrs, clusterNodeAddresses } = network;
      const facts = { masqueradeAddress, nodeAddresses, podCidrs, clusterNodeAddresses: clusterNodeAddresses.length };
      this.#options.log.info("configured the node's network facts", { writes, ...facts });
    }
    return network;
  }

  /** Returns what stands in the way of Pods that want their sockets left alone. */
  async #attach(snapshot: Snapshot, again: boolean): Promise<readonly Problem[]> {
    const wasAttached = this.#attached;
    this.#attached &&= !again;
    const { attached, problems } = await this.#options.attachment.sync(snapshot, !this.#attached);
    if (again && wasAttached && attached.length > 0) {
      this.#options.log.warn("programs had been detached by others, attached them again", { attached });
      this.#options.metrics.drift.inc({ map: "links" }, attached.length);
    }
    this.#attached = true;
    return problems;
  }

  #becomeReady(): void {
    if (this.#ready) return;
    this.#ready = true;
    this.#options.metrics.ready.set(1);
    this.#options.log.info("ready: the first full sync is in the kernel");
  }

  #report(mirror: KernelMirror, done: Plan, failed: number, resourceVersions: Record<string, string>): void {
    const { metrics, kernel } = this.#options;
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
    for (const [map, entries] of Object.entries(mapUsage(mirror))) {
      metrics.mapEntries.set({ map }, entries);
      metrics.mapCapacity.set({ map }, kernel.capacity[map as keyof Capacity]);
    }
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
