// SPDX-License-Identifier: Apache-2.0
// Waits for a condition by looking again and again.

/** Waits for a condition with a name; the state last seen is told when it never comes. */
export async function until<T>(what: string, probe: () => T | undefined, timeoutMs = 120_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = probe();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs / 1000} s`);
    await new Promise((resume) => setTimeout(resume, 500));
  }
}
