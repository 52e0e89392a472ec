// SPDX-License-Identifier: Apache-2.0
// Tells a person what is being done: one line when a step starts, one every few seconds while it lasts, one at its end.

const lineEveryMs = 15_000;

/** Writes one line for a person to stderr, so that stdout stays for results. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** A duration as a person reads it: `4.2 s`, `3 min 07 s`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/** Runs one step under its name; `note` adds what is happening now to the lines shown while it lasts. */
export async function step<T>(name: string, work: (note: (text: string) => void) => Promise<T>): Promise<T> {
  const started = performance.now();
  let detail = "";
  say(`• ${name} ...`);
  const timer = setInterval(() => {
    say(`  … ${name}: ${duration(performance.now() - started)}${detail === "" ? "" : `, ${detail}`}`);
  }, lineEveryMs);
  try {
    const result = await work((text) => {
      detail = text;
    });
    say(`✓ ${name} (${duration(performance.now() - started)})`);
    return result;
  } catch (error) {
    say(`✗ ${name} (after ${duration(performance.now() - started)})`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Waits until `check` says yes; `check` returns undefined while the condition does not hold yet. */
export async function until<T>(
  condition: string,
  timeoutMs: number,
  check: () => Promise<T | undefined>,
  everyMs = 250,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`${condition}: not within ${duration(timeoutMs)}.`);
    await new Promise((resume) => setTimeout(resume, everyMs));
  }
}
