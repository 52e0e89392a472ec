// SPDX-License-Identifier: Apache-2.0
// Hands text to a program as a file that has no name: it cannot be found by others, nor left behind by a crash.
import { closeSync, mkdtempSync, openSync, rmdirSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class PrivateFile implements Disposable {
  readonly fd: number;

  constructor(contents: string) {
    const directory = mkdtempSync(join(tmpdir(), "sansproxy-private-"));
    const path = join(directory, "file");
    this.fd = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    rmdirSync(directory);
    writeSync(this.fd, contents, 0);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

/** The path under which a program reads the `index`th file given to it. */
export const pathOfFile = (index: number): string => `/proc/self/fd/${firstFile + index}`;

/** The files come after stdin, stdout and stderr. */
const firstFile = 3;
