// SPDX-License-Identifier: Apache-2.0
// The name server that the machines ask for names outside of the cluster: this box, while the tests run.
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../../../stacks/local/host/progress.ts";

/** What the suite looks up of the Internet: the name of one public name server, by its addresses. */
const hosts = ["8.8.8.8 dns.google", "2001:4860:4860::8888 dns.google"];
const startTimeoutMs = 15_000;

export class OutsideNames {
  readonly #server: ChildProcess;

  private constructor(server: ChildProcess) {
    this.#server = server;
  }

  /** Starts CoreDNS on the box's address among the machines; every other name does not exist. */
  static async open(program: string, address: string, folder: string): Promise<OutsideNames> {
    const corefile = join(folder, "Corefile");
    const known = hosts.map((line) => `    ${line}\n`).join("");
    const other = "  template ANY ANY {\n    rcode NXDOMAIN\n  }\n";
    await writeFile(corefile, `.:53 {\n  bind ${address}\n  hosts {\n${known}    fallthrough\n  }\n${other}}\n`);
    const log = createWriteStream(join(folder, "outside-names.log"));
    const server = spawn(program, ["-conf", corefile], { stdio: ["ignore", "pipe", "pipe"] });
    const names = new OutsideNames(server);
    let said = "";
    let failure: Error | undefined;
    server.on("error", (error) => {
      failure = error;
    });
    for (const stream of [server.stdout, server.stderr]) {
      stream.on("data", (part: Buffer) => {
        said += part;
      });
      stream.pipe(log, { end: false });
    }
    try {
      await until(`the name server on ${address}:53 answers`, startTimeoutMs, async () => {
        if (failure !== undefined || server.exitCode !== null)
          throw new Error(`The name server on ${address}:53 did not start: ${failure?.message ?? said.trim()}`);
        return said.includes("CoreDNS-") ? true : undefined;
      });
    } catch (error) {
      await names.close();
      throw error;
    }
    return names;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server.exitCode !== null || server.pid === undefined) return;
    const ended = new Promise((done) => server.once("close", done));
    server.kill("SIGTERM");
    await ended;
  }
}
