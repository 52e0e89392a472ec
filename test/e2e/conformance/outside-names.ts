// SPDX-License-Identifier: Apache-2.0
// The name server that the machines ask for names outside of the cluster: this box, while the tests run.
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../../../stacks/local/host/progress.ts";

/** What the suite looks up of the Internet is the name of one public name server; every other name does not exist. */
const corefile = (address: string): string => `.:53 {
  bind ${address}
  template IN PTR in-addr.arpa {
    match ^8\\.8\\.8\\.8\\.in-addr\\.arpa\\.$
    answer "{{ .Name }} 60 IN PTR dns.google."
    fallthrough
  }
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`;
const startTimeoutMs = 15_000;

export class OutsideNames {
  readonly #server: ChildProcess;

  private constructor(server: ChildProcess) {
    this.#server = server;
  }

  /** Starts CoreDNS on the box's address among the machines. */
  static async open(program: string, address: string, folder: string): Promise<OutsideNames> {
    const configuration = join(folder, "Corefile");
    await writeFile(configuration, corefile(address));
    const log = createWriteStream(join(folder, "outside-names.log"));
    const server = spawn(program, ["-conf", configuration], { stdio: ["ignore", "pipe", "pipe"] });
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
