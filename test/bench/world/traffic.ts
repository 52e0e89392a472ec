// SPDX-License-Identifier: Apache-2.0
// Steady traffic in a client's namespace (traffic.c), whose losses are counted while something happens to the node.
import { writeFileSync } from "node:fs";
import type { Cleanup, Netns } from "../../support/netns.ts";
import { LineProcess } from "./line-process.ts";
import type { Target } from "./load.ts";

/** So many new connections a second, beside so many long ones that are each asked ten times a second. */
export interface TrafficLoad {
  readonly perSecond: number;
  readonly longConnections: number;
}

/** Who else than the Service's first backends may answer: the one that takes the place of one of them. */
export interface TrafficTarget extends Target {
  readonly otherBackend?: string;
}

export interface TrafficCounts {
  readonly connections: number;
  /** New connections that were refused, reset, or got no answer within two seconds. */
  readonly failed: number;
  /** Answers by a backend of another Service, and on a long connection by another than before. */
  readonly wrong: number;
  readonly requests: number;
  readonly longConnections: number;
  readonly broken: number;
  /** Who answered the newest connection that was answered. */
  readonly newest: string;
}

let files = 0;

export class Traffic {
  readonly #process: LineProcess;
  /** Resolves when all long connections are open; only then new ones begin. */
  readonly begun: Promise<TrafficCounts>;

  constructor(
    program: string,
    { netns, cgroup, cleanup }: { readonly netns: Netns; readonly cgroup?: string; readonly cleanup: Cleanup },
    targets: readonly TrafficTarget[],
    { perSecond, longConnections }: TrafficLoad,
  ) {
    const file = `${program}-${++files}.targets`;
    const lines = targets.map(({ address, port, firstBackend, backends, otherBackend = firstBackend }) =>
      [address, port, firstBackend, backends, otherBackend].join(" "),
    );
    writeFileSync(file, `${lines.join("\n")}\n`);
    const argv = [program, file, String(perSecond), String(longConnections)];
    this.#process = new LineProcess(`the traffic in ${netns.name}`, netns.start(argv, cgroup), cleanup);
    this.begun = this.#process.heard();
  }

  now(): Promise<TrafficCounts> {
    return this.#process.ask("now");
  }

  /** The last counts, when nothing is under way any more. */
  end(): Promise<TrafficCounts> {
    return this.#process.ask("end");
  }
}
