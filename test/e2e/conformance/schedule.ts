// SPDX-License-Identifier: Apache-2.0
// Runs the selected tests: those that bear company side by side, then those that change the cluster one at a time.
import type { Progress } from "./progress.ts";
import type { Selection } from "./selection.ts";
import { type Result, runTest, type Suite } from "./suite.ts";

/** Results in the order in which the tests ended; tests that an interruption kept from starting have none. */
export async function runAll(
  suite: Suite,
  { parallel, serial }: Selection,
  processes: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<Result[]> {
  const results: Result[] = [];
  let number = 0;
  const runOne = async (name: string) => {
    number += 1;
    progress.started(name);
    const result = await runTest(suite, name, number, signal);
    progress.ended(result);
    results.push(result);
  };
  const drain = async (queue: string[]) => {
    for (let name = queue.shift(); name !== undefined && !signal.aborted; name = queue.shift()) await runOne(name);
  };
  try {
    const queue = [...parallel];
    await Promise.all(Array.from({ length: processes }, () => drain(queue)));
    await drain([...serial]);
  } finally {
    progress.close();
  }
  return results;
}
