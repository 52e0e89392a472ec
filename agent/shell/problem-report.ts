// SPDX-License-Identifier: Apache-2.0
// Says once, loudly, when a Service cannot be served as asked, and once when it can again.

import type { Problem } from "../core/problem.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

export class ProblemReport {
  readonly #log: Log;
  readonly #metrics: Metrics;
  #known = new Map<string, Problem>();

  constructor(log: Log, metrics: Metrics) {
    this.#log = log;
    this.#metrics = metrics;
  }

  update(problems: readonly Problem[]): void {
    const current = new Map(problems.map((problem) => [problem.message, problem]));
    for (const [message, { service, reason }] of current) {
      if (!this.#known.has(message)) this.#log.warn(message, { service, reason });
    }
    for (const [message, { service, reason }] of this.#known) {
      if (!current.has(message)) this.#log.info("solved", { service, reason, problem: message });
    }
    this.#known = current;
    this.#metrics.problems.reset();
    for (const { reason } of current.values()) this.#metrics.problems.inc({ reason });
  }
}
