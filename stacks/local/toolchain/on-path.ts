// SPDX-License-Identifier: Apache-2.0
// Finds programs on a person's PATH.

import { access, constants } from "node:fs/promises";
import { basename, delimiter, join } from "node:path";
import { clone } from "../host/paths.ts";

/** Every executable of that name on PATH, except this clone's own links. */
export async function allOnPath(name: string, env: NodeJS.ProcessEnv = process.env): Promise<string[]> {
  const found: string[] = [];
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    if (folder === "" || folder === clone.bin) continue;
    const path = join(folder, basename(name));
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) found.push(path);
  }
  return found;
}
