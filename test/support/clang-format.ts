// SPDX-License-Identifier: Apache-2.0
// Checks that every C source of the datapath is formatted as .clang-format says.
import { execFileSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";

const formatters = ["clang-format-16", "clang-format", "clang-format-19", "clang-format-14"];
const formatter = formatters.find((name) => existsSync(`/usr/bin/${name}`));
if (formatter === undefined) {
  console.error("clang-format is missing: apt-get install clang-format-16");
  process.exit(1);
}
const sources = globSync(["bpf/**/*.c", "bpf/**/*.h", "test/bench/**/*.bpf.c"]);
execFileSync(formatter, ["--dry-run", "--Werror", ...sources], { stdio: "inherit" });
console.log(`${sources.length} C files are formatted (${formatter})`);
