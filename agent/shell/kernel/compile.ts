// SPDX-License-Identifier: Apache-2.0
// Builds bpf/*.bpf.c into .build/bpf with the clang that is here: `npm run build:bpf`.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_CLANG = 14;
const NEWEST_CLANG = 30;

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

const multiarch: Readonly<Record<string, string>> = {
  x64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
  riscv64: "riscv64-linux-gnu",
};

function clangVersion(program: string): number | undefined {
  const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  const major = status === 0 ? /clang version (\d+)/.exec(stdout)?.[1] : undefined;
  return major === undefined ? undefined : Number(major);
}

/** `$CLANG`, or clang-16 (the version that the programs are formatted and measured with), or any that is new enough. */
function findClang(): string {
  const numbered = Array.from(
    { length: NEWEST_CLANG - OLDEST_CLANG + 1 },
    (_, index) => `clang-${NEWEST_CLANG - index}`,
  );
  const asked = process.env["CLANG"];
  for (const program of asked === undefined ? ["clang-16", "clang", ...numbered] : [asked]) {
    if ((clangVersion(program) ?? 0) >= OLDEST_CLANG) return program;
  }
  throw new Error(
    `no clang ${OLDEST_CLANG} or newer was found to compile the BPF programs; ` +
      `install it (apt-get install clang-16 libbpf-dev), or set CLANG to its path`,
  );
}

/** Compiles every program of a folder; returns the folder of the objects. */
export function compile(outDir = join(root, ".build/bpf"), sources = join(root, "bpf")): string {
  if (!existsSync("/usr/include/bpf/bpf_helpers.h")) {
    throw new Error("libbpf's headers are missing; install them: apt-get install libbpf-dev");
  }
  const clang = findClang();
  const include = `/usr/include/${multiarch[process.arch] ?? ""}`;
  mkdirSync(outDir, { recursive: true });
  for (const file of readdirSync(sources).filter((name) => name.endsWith(".bpf.c"))) {
    const object = join(outDir, file.replace(/\.c$/, ".o"));
    const partial = `${object}.${process.pid}`;
    const flags = ["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Wextra", "-Werror", `-I${include}`];
    const { status, stderr } = spawnSync(clang, [...flags, "-c", join(sources, file), "-o", partial], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`${clang} could not compile ${join(sources, file)}:\n${stderr}`);
    renameSync(partial, object);
  }
  return outDir;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(`compiled into ${compile()}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
