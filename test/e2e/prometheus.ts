// SPDX-License-Identifier: Apache-2.0
// A real Prometheus on the box, for a moment: scrapes given targets, evaluates given rules, and answers queries.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { stringify } from "yaml";

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [seconds: number, value: string];
}

export interface EvaluatedRule {
  readonly name: string;
  readonly health: "ok" | "err" | "unknown";
  readonly lastError?: string;
}

export class Prometheus {
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly #address: string;

  private constructor(folder: string, process: ChildProcess, address: string) {
    this.#folder = folder;
    this.#process = process;
    this.#address = address;
  }

  /** Resolves when it listens, on a free port of the loopback. */
  static async start(scrape: object, rules: object): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), "sansproxy-prometheus-"));
    const global = { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" };
    writeFileSync(join(folder, "rules.yml"), stringify(rules));
    writeFileSync(
      join(folder, "prometheus.yml"),
      stringify({ global, rule_files: ["rules.yml"], scrape_configs: [scrape] }),
    );
    const storage = `--storage.tsdb.path=${join(folder, "data")}`;
    const args = [`--config.file=${join(folder, "prometheus.yml")}`, storage, "--web.listen-address=127.0.0.1:0"];
    const child = spawn("prometheus", args, { stdio: ["ignore", "ignore", "pipe"] });
    return new Promise((resolve, reject) => {
      const said: string[] = [];
      const fail = (why: string) => {
        rmSync(folder, { recursive: true, force: true });
        reject(new Error(`Prometheus did not start: ${why}\n${said.slice(-10).join("\n")}`));
      };
      child.once("error", ({ message }) => fail(`${message}; npm test -- packages installs it`));
      child.once("exit", (code) => fail(`it ended with ${code}`));
      createInterface({ input: child.stderr }).on("line", (line) => {
        said.push(line);
        const [, address] = /msg="Listening on" address=(\S+)/.exec(line) ?? [];
        if (address !== undefined) resolve(new Prometheus(folder, child, address));
      });
    });
  }

  async #get<T>(path: string): Promise<T> {
    const answer = await fetch(`http://${this.#address}/api/v1/${path}`);
    const { status, data, error } = (await answer.json()) as { status: string; data: T; error?: string };
    if (status !== "success") throw new Error(`Prometheus refuses ${path}: ${error}`);
    return data;
  }

  async query(expr: string): Promise<readonly Sample[]> {
    const { result } = await this.#get<{ result: readonly Sample[] }>(`query?query=${encodeURIComponent(expr)}`);
    return result;
  }

  async rules(): Promise<readonly EvaluatedRule[]> {
    const { groups } = await this.#get<{ groups: readonly { rules: readonly EvaluatedRule[] }[] }>("rules");
    return groups.flatMap(({ rules }) => rules);
  }

  async stop(): Promise<void> {
    this.#process.removeAllListeners("exit");
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    if (this.#process.kill("SIGKILL")) await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
