// SPDX-License-Identifier: Apache-2.0
// One of several processes that want the same lock: it proves in each of its turns that it is alone.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { withLock } from "../../../../stacks/local/host/lock.ts";

const [path = "", rounds = "0", end = ""] = process.argv.slice(2);

for (let round = 0; round < Number(rounds); round += 1) {
  await withLock(path, async () => {
    // Fails when another process is in its turn.
    writeFileSync(`${path}.inside`, "", { flag: "wx" });
    const count = Number(readFileSync(`${path}.count`, "utf8"));
    await new Promise((resume) => setTimeout(resume, Math.random() * 5));
    writeFileSync(`${path}.count`, String(count + 1));
    rmSync(`${path}.inside`);
  });
}
if (end === "die") await withLock(path, async () => process.kill(process.pid, "SIGKILL"));
