// SPDX-License-Identifier: Apache-2.0
// Asks one or many addresses of a Service and judges the answers: every request answered, and every node's backend seen.
import type { Ask, Target } from "./echo-client.ts";
import type { Attempt } from "./retry.ts";

/** Enough requests that a backend chosen at random is missed by chance less than once in 10^7 runs. */
const REQUESTS_PER_BACKEND = 20;
/** In larger clusters that many distinct backends are proof enough. */
const MOST_BACKENDS = 50;
const CONCURRENCY = 8;
/** A round that cannot pass any more is cut short, so that the next one starts sooner. */
const UNREACHABLE_BEFORE_GIVING_UP = 16;

const list = (names: Iterable<string>): string => [...names].sort().join(", ");

/** One round of requests to a single address: passes when all were answered and backends on all these nodes answered. */
export const surveyBackends = async (ask: Ask, target: Target, backendNodes: readonly string[]): Promise<Attempt> => {
  const wanted = Math.min(backendNodes.length, MOST_BACKENDS);
  const limit = wanted * REQUESTS_PER_BACKEND;
  const answered = new Set<string>();
  const failures: string[] = [];
  let sent = 0;
  let answers = 0;
  const missing = (): readonly string[] => backendNodes.filter((node) => !answered.has(node));
  const worker = async (): Promise<void> => {
    while (sent < limit && backendNodes.length - missing().length < wanted && failures.length === 0) {
      sent += 1;
      try {
        answered.add((await ask(target)).node);
        answers += 1;
      } catch (error) {
        failures.push((error as Error).message);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, limit) }, worker));
  const seen = answers === 0 ? "no backend answered" : `answered by the backends on ${list(answered)}`;
  if (failures.length > 0) {
    return {
      passed: false,
      observed: `${failures.length} of ${sent} requests failed, ${seen}; last: ${failures.at(-1)}`,
    };
  }
  if (backendNodes.length - missing().length < wanted) {
    return { passed: false, observed: `${seen}, none in ${sent} requests by the backend on ${list(missing())}` };
  }
  return { passed: true, observed: `${seen} (${sent} requests)` };
};

export interface NodeTarget extends Target {
  readonly node: string;
}

/** One request to each node's address: passes when all were answered, by whichever backend. */
export const surveyAddresses = async (ask: Ask, targets: readonly NodeTarget[]): Promise<Attempt> => {
  const failures: string[] = [];
  const queue = [...targets];
  let asked = 0;
  const worker = async (): Promise<void> => {
    for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
      if (failures.length >= UNREACHABLE_BEFORE_GIVING_UP) return;
      const { node } = target;
      asked += 1;
      await ask(target).catch((error: Error) => failures.push(`${node}: ${error.message}`));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  const all = `${asked - failures.length} of ${asked} node addresses answered`;
  const passed = failures.length === 0 && targets.length > 0;
  const shown = failures.slice(0, 3).sort().join("; ");
  return { passed, observed: passed ? all : `${all}; ${targets.length > 0 ? shown : "no node address is known"}` };
};
