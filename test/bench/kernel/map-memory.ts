// SPDX-License-Identifier: Apache-2.0
// How much kernel memory the pinned maps take, as the kernel accounts it.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { close, openPinned } from "../../../agent/shell/kernel/syscall.ts";

/** In MB, over all folders of maps below a bpffs. */
export function mapMemoryMb(bpfRoot: string): number {
  const root = join(bpfRoot, "sansproxy");
  const folders = readdirSync(root).filter((name) => name !== "programs" && name !== "links");
  let bytes = 0;
  for (const path of folders.flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(root, folder, name)),
  )) {
    const fd = openPinned(path);
    if (fd === undefined) throw new Error(`the pinned map ${path} vanished`);
    bytes += Number(/^memlock:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1]);
    close(fd);
  }
  return bytes / 1e6;
}
