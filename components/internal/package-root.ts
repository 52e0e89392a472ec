// SPDX-License-Identifier: Apache-2.0
// Finds the folder of this package, from which the chart, the host scripts and the command line are read as files.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function findPackageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === "sansproxy") return folder;
    const parent = dirname(folder);
    if (parent === folder) {
      throw new Error(
        "The folder of the package sansproxy was not found above its own modules; install the package again.",
      );
    }
    folder = parent;
  }
}

/** Absolute path of the package's folder. */
export const packageRoot: string = findPackageRoot();

/** Version of this package, which is also the version of the agent's image. */
export const packageVersion: string = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")).version;
