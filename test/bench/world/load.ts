// SPDX-License-Identifier: Apache-2.0
// The program that loads Services and times them (load.c), compiled, started in a namespace, and told what to do.
import type { Cleanup, Netns } from "../../support/netns.ts";
import { LineProcess } from "./line-process.ts";

/** Who may answer, and at which address and port they are asked for. */
export interface Target {
  readonly address: string;
  readonly port: number;
  readonly firstBackend: string;
  readonly backends: number;
}

export interface Tally {
  readonly done: number;
  /** Answers of a backend that is none of the Service. */
  readonly wrong: number;
  readonly failed: number;
  readonly wallNs: number;
  /** CPU time of the asking process, with the network work done on its behalf. */
  readonly cpuUs: number;
  /** Whether other work of the machine had to wait. */
  readonly realTime: boolean;
}

export interface ConnectTimes extends Tally {
  readonly ns: readonly number[];
}

export interface Seen extends Tally {
  /** Of CLOCK_MONOTONIC in nanoseconds; 0 for never. */
  readonly atNs: number;
  /** When another backend, or none, answered last. */
  readonly lastOtherNs: number;
}

export class LoadClient {
  readonly #process: LineProcess;

  /** In `cgroup`, when one is given. */
  constructor(program: string, netns: Netns, cleanup: Cleanup, cgroup?: string) {
    this.#process = new LineProcess(`the load client in ${netns.name}`, netns.start([program], cgroup), cleanup);
  }

  #ask<T>(command: string, { address, port, firstBackend, backends }: Target, amount: number): Promise<T> {
    return this.#process.ask<T>(`${command} ${address} ${port} ${firstBackend} ${backends} ${amount}`);
  }

  connects(target: Target, samples: number): Promise<ConnectTimes> {
    return this.#ask("connect", target, samples);
  }

  shortConnections(target: Target, ms: number): Promise<Tally> {
    return this.#ask("short", target, ms);
  }

  keepAlive(target: Target, ms: number): Promise<Tally> {
    return this.#ask("keep", target, ms);
  }

  /** Connects again and again until backends of the target answer, and no others. */
  until(target: Target, ms: number): Promise<Seen> {
    return this.#ask("until", target, ms);
  }

  /** Asks each of `services` addresses from the target's on once. */
  sweep(target: Target, services: number): Promise<Tally> {
    return this.#ask("sweep", target, services);
  }
}
