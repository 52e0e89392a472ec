// SPDX-License-Identifier: Apache-2.0
// Gives a run its namespace for itself: what an earlier one left is gone before it begins, and its own goes when it ends.

import { step } from "../../../stacks/local/host/progress.ts";

/** Runs kubectl and gives its output; `signal` ends it. */
export type Kubectl = (args: readonly string[], signal?: AbortSignal) => Promise<string>;

export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

export interface OwnNamespace {
  readonly name: string;
  /** Leave it at the end. */
  readonly keep: boolean;
}

/**
 * Throws Interrupted when Ctrl-C or SIGTERM ends `work`, which is told by the signal that it is given, after the namespace
 * has been removed.
 */
export async function inOwnNamespace<T>(
  kubectl: Kubectl,
  { name, keep }: OwnNamespace,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  const interrupt = () => controller.abort();
  const remove = (by?: AbortSignal) => kubectl(["delete", "namespace", name, "--ignore-not-found", "--wait=false"], by);
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  try {
    await step(`namespace ${name}, empty`, async () => {
      await remove(signal);
      await kubectl(["wait", "--for=delete", `namespace/${name}`, "--timeout=600s"], signal);
    });
    return await work(signal);
  } catch (error) {
    if (signal.aborted) throw new Interrupted("The rolling update was interrupted.");
    throw error;
  } finally {
    if (!keep) await remove();
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}
