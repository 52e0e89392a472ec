// SPDX-License-Identifier: Apache-2.0
// Carries out a plan's operations one by one, leaves out what builds on one that failed, and says how many did not happen.

import { setImmediate as yieldToEvents } from "node:timers/promises";
import { getSystemErrorName } from "node:util";
import type { KernelMirror } from "../core/kernel-mirror.ts";
import { isDatagram, type Kernel, type Operation } from "../core/operation.ts";
import { LONGEST_SLICE_MS } from "./in-slices.ts";
import { errorText, type Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

const LOGGED_FAILURES = 5;
/** The clock is looked at after so many. */
const OPERATIONS_OF_A_LOOK = 16;

export interface Executed {
  /** Operations that failed, or had to be left out because one before them failed. */
  readonly failed: number;
  /** Whether a backend of UDP has gone: sockets may still be connected to it. */
  readonly lostUdpBackends: boolean;
}

export class OperationExecutor {
  readonly #kernel: Pick<Kernel, "apply">;
  readonly #log: Log;
  readonly #metrics: Metrics;

  constructor(kernel: Pick<Kernel, "apply">, log: Log, metrics: Metrics) {
    this.#kernel = kernel;
    this.#log = log;
    this.#metrics = metrics;
  }

  async execute(mirror: KernelMirror, operations: readonly Operation[], isStopped: () => boolean): Promise<Executed> {
    let failed = 0;
    let lostUdpBackends = false;
    const written = new Map<string, number>();
    let [sliceBegan, now] = [performance.now(), performance.now()];
    for (const [index, operation] of operations.entries()) {
      if (isStopped()) {
        failed += operations.length - index;
        break;
      }
      if (index % OPERATIONS_OF_A_LOOK === 0) {
        now = performance.now();
        if (now - sliceBegan > LONGEST_SLICE_MS) {
          await yieldToEvents();
          sliceBegan = now = performance.now();
        }
      }
      const isLostUdp = losesDatagrams(mirror, operation);
      if (this.#apply(mirror, operation, failed, now)) {
        written.set(operation.kind, (written.get(operation.kind) ?? 0) + 1);
        lostUdpBackends ||= isLostUdp;
      } else {
        failed++;
      }
    }
    for (const [kind, count] of written) this.#metrics.writes.inc({ operation: kind }, count);
    return { failed, lostUdpBackends };
  }

  #apply(mirror: KernelMirror, operation: Operation, failedBefore: number, now: number): boolean {
    if (mirror.objection(operation) !== undefined) return false;
    try {
      this.#kernel.apply(operation);
      mirror.record(operation, now);
      return true;
    } catch (error) {
      this.#metrics.failedWrites.inc({ reason: reasonOf(error) });
      if (failedBefore < LOGGED_FAILURES)
        this.#log.error("a write failed", { operation: operation.kind, error: errorText(error) });
      return false;
    }
  }
}

/** A socket that was being connected when the backend was marked is found once it is cleared. */
function losesDatagrams(mirror: KernelMirror, operation: Operation): boolean {
  if (operation.kind === "mark-backend") return operation.gone;
  const backend = operation.kind === "clear-backend" ? mirror.backends.get(operation.id) : undefined;
  return backend !== undefined && isDatagram(backend);
}

/** A label of few values: the errno's name, or the error's. */
export function reasonOf(error: unknown): string {
  const errno = (error as { errno?: unknown }).errno;
  if (typeof errno === "number" && errno > 0) {
    try {
      return getSystemErrorName(-errno);
    } catch {
      return `errno ${errno}`;
    }
  }
  return error instanceof Error ? error.name : "unknown";
}
