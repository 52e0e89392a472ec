// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  hostSteps,
  scriptBody,
  scriptCommand,
  scriptInput,
  shellWord,
} from "../../components/internal/bare-metal/scripts.ts";
import { openSeal, sealKey } from "../../components/internal/bare-metal/sealed.ts";
import { settled } from "./recorded-program.ts";

const sound = {
  HOST_NAME: "worker-1",
  HOST_ADDRESS: "10.89.0.21",
  HOST_ROLE: "worker",
  HOST_FIRST: "no",
  CLUSTER_ID: "project/stack/metal",
  KUBERNETES_VERSION: "v1.36.3",
  MINIMUM_KERNEL: "4.0",
  MINIMUM_MEMORY_MIB: 1,
  MINIMUM_DISK_MIB: 1,
  REQUIRED_PORTS: "",
  PACKAGE_SOURCE: "apt",
  HOST_IPV6: "",
};

/** Runs the preflight of a host on this machine: it only reads. */
async function preflight(changes: Partial<Record<keyof typeof sound, string | number>>): Promise<string> {
  const input = await settled(scriptInput("preflight", { ...sound, ...changes }));
  const run = spawnSync("bash", ["-euo", "pipefail", "-s", "--", "create"], {
    input,
    encoding: "utf8",
    timeout: 50_000,
  });
  return `${run.stdout}${run.stderr}`;
}

describe("the scripts of a host", () => {
  it.each(hostSteps)("are valid shell: %s", (step) => {
    const run = spawnSync("bash", ["-n"], { input: scriptBody(step), encoding: "utf8" });
    expect(run.stderr).toBe("");
    expect(run.status).toBe(0);
  });

  it.each(hostSteps)("have no fault that shellcheck knows: %s", (step) => {
    const run = spawnSync("shellcheck", ["-s", "bash", "-e", "SC2034,SC2153,SC2154", "-"], {
      input: scriptBody(step),
      encoding: "utf8",
    });
    if (run.error !== undefined) {
      throw new Error(`shellcheck could not be run (${run.error.message}); install it: apt-get install shellcheck`);
    }
    expect(run.stdout).toBe("");
  });

  it("carry any value to the shell as it is", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 60 }).filter((value) => !value.includes("\0"));
    fc.assert(
      fc.property(text, (value) => {
        const seen = execFileSync("bash", ["-c", `x=${shellWord(value)}; printf '%s.' "$x"`], { encoding: "utf8" });
        expect(seen).toBe(`${value}.`);
      }),
      { numRuns: 40 },
    );
  });

  it("end by running the function of the action, with nothing left to read", async () => {
    expect(await settled(scriptInput("claim", {}))).toMatch(/\n"run_\$1" <\/dev\/null\n$/);
    expect(scriptCommand("delete", 60, true)).toMatch(/^timeout -k 10 60 .*bash -euo pipefail -s -- delete$/);
  });
});

describe("preflight", () => {
  it("names the host, the old kernel and what to install", async () => {
    expect(await preflight({ MINIMUM_KERNEL: "99.1" })).toMatch(
      /host worker-1 \(10\.89\.0\.21\): [\s\S]*kernel \S+ is older than 99\.1, [\s\S]*install [^\n]* and reboot/,
    );
  });

  it("names the memory that is there and that is needed", async () => {
    expect(await preflight({ MINIMUM_MEMORY_MIB: 99_999_999 })).toMatch(
      /\d+ MiB of memory and a worker needs 99999999 MiB; give it more/,
    );
  });

  it("names the free disk that is there and that is needed", async () => {
    expect(await preflight({ MINIMUM_DISK_MIB: 999_999_999 })).toMatch(
      /\/var\/lib has \d+ MiB free and a worker needs 999999999 MiB/,
    );
  });

  it("refuses a host on which kube-proxy runs", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sansproxy-preflight-"));
    const program = join(folder, "kube-proxy");
    copyFileSync("/bin/sleep", program);
    const child = spawn(program, ["60"]);
    try {
      await new Promise((resolve, reject) => child.once("spawn", () => resolve(undefined)).once("error", reject));
      // Another kube-proxy of this box may be named beside it.
      expect(await preflight({})).toMatch(new RegExp(`a kube-proxy process runs here \\(pid [\\d ]*\\b${child.pid} `));
    } finally {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true });
    }
  });

  it("names the ports that are taken", async () => {
    const { createServer } = await import("node:net");
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
    );
    try {
      expect(await preflight({ REQUIRED_PORTS: String(port) })).toContain(`are in use: ${port}`);
    } finally {
      server.close();
    }
  });
});

describe("a secret of the control plane", () => {
  const key = sealKey("-----BEGIN PRIVATE KEY-----");

  it("leaves the host sealed, and can be opened with the SSH key only", async () => {
    const variables = { ...sound, SEALED: "test", SEAL_KEY: key, SECRET: "client-key-data: c2VjcmV0" };
    const input = (await settled(scriptInput("seal", variables))).replace(
      '"run_$1"',
      'reveal_test() { printf "%s" "$SECRET"; }\n"run_$1"',
    );
    const sealed = execFileSync("bash", ["-euo", "pipefail", "-s", "--", "create"], { input, encoding: "utf8" });
    expect(sealed).not.toContain("c2VjcmV0");
    expect(openSeal(sealed, key)).toBe("client-key-data: c2VjcmV0\n");
    expect(() => openSeal(sealed, sealKey("another"))).toThrow(/could not be opened/);
  });

  it("is refused when the output is something else", () => {
    expect(() => openSeal("permission denied", key)).toThrow(/could not be opened with the cluster's SSH key/);
  });
});
