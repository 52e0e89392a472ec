// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { unchangedFileRanges } from "../../../agent/shell/kernel/program-pages.ts";

const mapping = (line: string, anonymousKb: number): string =>
  `${line}\nSize: 4 kB\nRss: 4 kB\nAnonymous:   ${anonymousKb} kB\nSwap: 0 kB\n`;

test("takes for unchanged only what cannot be written, comes from a file and has no page of the process's own", () => {
  const smaps = [
    mapping("00400000-00402000 r-xp 00000000 fe:00 12                 /bin/program", 0),
    mapping("00500000-00501000 r--p 00002000 fe:00 12                 /bin/program", 0),
    mapping("00600000-00601000 r--p 00003000 fe:00 12                 /bin/program", 8),
    mapping("00700000-00701000 rw-p 00004000 fe:00 12                 /bin/program", 0),
    mapping("00800000-00801000 r-xp 00000000 00:00 0", 0),
    mapping("00900000-00901000 r--s 00000000 fe:00 13                 /var/shared", 0),
    mapping("7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0          [vdso]", 0),
  ].join("");
  expect(unchangedFileRanges(smaps)).toEqual([
    { address: 0x400000n, bytes: 0x2000 },
    { address: 0x500000n, bytes: 0x1000 },
  ]);
});

test("a process goes on as before with fewer pages of its program resident", () => {
  const module = join(import.meta.dirname, "../../../agent/shell/kernel/program-pages.ts");
  const program = `
    import { createHash } from "node:crypto";
    import { readFileSync } from "node:fs";
    import { releaseProgramPages } from ${JSON.stringify(module)};
    const residentKb = () => Number(/^RssFile:\\s+(\\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))[1]);
    const before = residentKb();
    releaseProgramPages();
    const after = residentKb();
    const answer = [3, 1, 2].sort().map((each) => createHash("sha256").update(String(each)).digest("hex"));
    const worked = await new Promise((resume) => setTimeout(() => resume(/^6b86b2/.test(answer[0])), 1));
    console.log(JSON.stringify({ before, after, worked }));
  `;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  const { before, after, worked } = JSON.parse(said) as { before: number; after: number; worked: boolean };
  expect(worked).toBe(true);
  expect(after).toBeLessThan(before / 2);
});
