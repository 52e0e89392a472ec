// SPDX-License-Identifier: Apache-2.0
// A process inside a namespace (and a cgroup) that listens and speaks for a test.
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Cleanup, Netns } from "../support/netns.ts";

export interface Command {
  readonly op: "listen" | "speak";
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
  /** Listen: what the server calls itself. */
  readonly name?: string;
  /** Speak: a socket that stays open under this key. */
  readonly key?: string;
  /** Below those that the kernel and the datapath give out by chance. */
  readonly localPort?: number;
  /** UDP: connect the socket first. */
  readonly connected?: boolean;
  /** UDP over IPv6: the router that datagrams are sent to first, in a routing header. */
  readonly by?: string;
  /** Speak: nobody is expected to answer, so it is not waited for long. */
  readonly unanswered?: boolean;
  /** How much to send, and to hear; 1 if not given. */
  readonly bytes?: number;
}

export interface Reply {
  /** The server that answered. */
  readonly name?: string;
  /** Whom the server saw. */
  readonly sees?: string;
  /** How much the server got. */
  readonly bytes?: number;
  /** What getpeername says. */
  readonly peer?: string;
  /** Where a datagram came from. */
  readonly from?: string;
  /** The code of what went wrong; `TIMEOUT` for no answer. */
  readonly error?: string;
}

const FIRST_BY_CHANCE = 32_768;
const program = join(import.meta.dirname, "talker-process.ts");

export class Talker {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #next = 1;
  #ended: string | undefined;

  constructor(netns: Netns, cleanup: Cleanup, cgroup?: string) {
    this.#child = netns.start([process.execPath, program], cgroup);
    cleanup.add(() => this.#child.kill("SIGKILL"));
    const { stdin, stdout } = this.#child;
    if (stdout === null) throw new Error("a talker has no stdout");
    // One that has ended says so by its end.
    stdin?.on("error", () => undefined);
    createInterface({ input: stdout }).on("line", (line) => {
      const { id, ...reply } = JSON.parse(line) as Reply & { id: number };
      this.#waiting.get(id)?.(reply);
      this.#waiting.delete(id);
    });
    this.#child.once("exit", (code) => {
      this.#ended = `TALKER ENDED ${code}`;
      for (const answer of this.#waiting.values()) answer({ error: this.#ended });
      this.#waiting.clear();
    });
  }

  #send(command: Command): Promise<Reply> {
    const { localPort = 0 } = command;
    if (localPort >= FIRST_BY_CHANCE)
      throw new RangeError(`port ${localPort} may be another socket's, or another flow's`);
    const id = this.#next++;
    if (this.#ended !== undefined) return Promise.resolve({ error: this.#ended });
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin?.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }

  async listen(protocol: "tcp" | "udp", address: string, port: number, name: string): Promise<void> {
    const { error } = await this.#send({ op: "listen", protocol, address, port, name });
    if (error !== undefined) throw new Error(`listening on ${address}:${port}: ${error}`);
  }

  tcp(address: string, port: number, more: Partial<Command> = {}): Promise<Reply> {
    return this.#send({ op: "speak", protocol: "tcp", address, port, ...more });
  }

  udp(address: string, port: number, more: Partial<Command> = {}): Promise<Reply> {
    return this.#send({ op: "speak", protocol: "udp", address, port, ...more });
  }
}
