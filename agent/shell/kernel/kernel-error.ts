// SPDX-License-Identifier: Apache-2.0
// What went wrong at the kernel boundary: the call, the object it was about, and errno.
import koffi from "koffi";

const errnoNames = new Map<number, string>(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));

/** The symbolic name of an errno, such as `E2BIG`. */
const errnoName = (errno: number): string => errnoNames.get(errno) ?? `errno ${errno}`;

/** One failed access to the kernel, in one sentence: what, where, why, the remedy. */
export class KernelError extends Error {
  override readonly name = "KernelError";
  /** The errno of the failed call; 0 where the cause is not a system call. */
  readonly errno: number;

  constructor(message: string, errno = 0) {
    super(message);
    this.errno = errno;
  }

  /** The error of a call that set errno: `what` names the map and key, or the file. */
  static from(what: string, errno: number, remedy?: string): KernelError {
    return new KernelError(`${what}: ${errnoName(errno)}${remedy === undefined ? "" : `; ${remedy}`}`, errno);
  }
}
