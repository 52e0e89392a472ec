// SPDX-License-Identifier: Apache-2.0
// Says once, loudly, when a Service cannot be served as asked, and once when it can again.

import type { Problem } from "../core/problem.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** Tells the object itself. */
export type Announce = (problem: Problem) => void;

export class ProblemReport {
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #announce: Announce;
  #known = new Map<string, Problem>();

  constructor(log: Log, metrics: Metrics, announce: Announce) {
    this.#log = log;
    this.#metrics = metrics;
    this.#announce = announce;
  }

  known(): Problem[] {
    return [...this.#known.values()];
  }

  update(problems: readonly Problem[]): void {
    if (problems.length === 0 && this.#known.size === 0) return;
    const current = new Map(problems.map((problem) => [problem.message, problem]));
    for (const [message, problem] of current) {
      if (this.#known.has(message)) continue;
      this.#log.warn(message, { service: problem.service, reason: problem.reason });
      this.#announce(problem);
    }
    for (const [message, { service, reason }] of this.#known) {
      if (!current.has(message)) this.#log.info("solved", { service, reason, problem: message });
    }
    this.#known = current;
    this.#metrics.setProblems([...current.values()].map(({ reason }) => reason));
  }
}
