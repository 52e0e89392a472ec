// SPDX-License-Identifier: Apache-2.0
// What an agent says of itself: which changes are in the kernel, and how long it has written to it.
import { join } from "node:path";
import type { BenchWorld, Side } from "./bench-world.ts";
import { LineProcess } from "./line-process.ts";

const ADDRESS = "127.0.0.1:10256";
const WRITTEN = /^sansproxy_sync_phase_duration_seconds_sum\{phase="write"\} (\S+)$/m;

export class AgentAnswers {
  readonly #process: LineProcess;

  constructor({ cleanup }: BenchWorld, { setup, node }: Side) {
    const program = join(import.meta.dirname, "ask-agent.ts");
    const argv = [process.execPath, "--disable-warning=ExperimentalWarning", program, ADDRESS];
    this.#process = new LineProcess(`what asks the agent of ${setup}`, node.start(argv), cleanup);
  }

  /** Of the last change to EndpointSlices that is in the kernel, with all before it. */
  async version(): Promise<number> {
    const { resourceVersions } = JSON.parse(await this.#process.ask<string>("/readyz")) as {
      readonly resourceVersions: { readonly endpointSlices?: string };
    };
    return Number(resourceVersions.endpointSlices);
  }

  /** How long all writes to the kernel together have taken. */
  async writeSeconds(): Promise<number> {
    const [, seconds] = WRITTEN.exec(await this.#process.ask<string>("/metrics")) ?? [];
    return Number(seconds);
  }
}
