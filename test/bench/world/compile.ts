// SPDX-License-Identifier: Apache-2.0
// Compiles the bench's own C programs.
import { join } from "node:path";
import { sh } from "../../support/netns.ts";

/** Compiles one of this folder's programs into `directory` and returns its path. */
export function compile(program: "backends" | "load" | "traffic", directory: string): string {
  const path = join(directory, program);
  sh("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", path, join(import.meta.dirname, `${program}.c`));
  return path;
}
