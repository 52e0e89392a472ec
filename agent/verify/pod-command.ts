// SPDX-License-Identifier: Apache-2.0
// Runs a command in a container and gives what it wrote to standard output, within a time and a size.
import { Writable } from "node:stream";
import { Exec, type KubeConfig } from "@kubernetes/client-node";
import { ClusterError } from "./cluster.ts";

const TIMEOUT_MS = 20_000;
const LONGEST_OUTPUT = 4 * 1024 * 1024;

/** Keeps what is written, and ends its reader's patience when that is too much. */
class Collected extends Writable {
  readonly #pieces: Buffer[] = [];
  #length = 0;
  override _write(piece: Buffer, _: BufferEncoding, done: (error?: Error) => void): void {
    this.#length += piece.length;
    if (this.#length <= LONGEST_OUTPUT) this.#pieces.push(Buffer.from(piece));
    done(this.#length <= LONGEST_OUTPUT ? undefined : new Error(`it wrote more than ${LONGEST_OUTPUT} bytes`));
  }
  text(): string {
    return Buffer.concat(this.#pieces).toString("utf8");
  }
}

/** Throws `ClusterError` with a sentence when the command cannot be run or fails. */
export const runInPod = async (
  config: KubeConfig,
  namespace: string,
  pod: string,
  container: string,
  command: readonly string[],
): Promise<string> => {
  const [stdout, stderr] = [new Collected(), new Collected()];
  const failed = (reason: string): ClusterError =>
    new ClusterError(`could not run ${command.join(" ")} in Pod ${namespace}/${pod}: ${reason}`, undefined);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timer = setTimeout(() => reject(failed(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
  for (const stream of [stdout, stderr]) stream.once("error", (error) => reject(failed(error.message)));
  const connecting = new Exec(config).exec(
    namespace,
    pod,
    container,
    [...command],
    stdout,
    stderr,
    null,
    false,
    ({ status, message }) => {
      if (status === "Success") resolve(stdout.text());
      else reject(failed(`${message ?? "it failed"} ${stderr.text().trim()}`.trim()));
    },
  );
  try {
    const socket = await Promise.race([connecting, promise.then(() => connecting)]);
    // A connection that ends without a status has lost the command.
    socket.onclose = () => reject(failed("the connection was closed"));
    socket.onerror = ({ message }: { message: string }) => reject(failed(message));
    return await promise;
  } catch (error) {
    throw error instanceof ClusterError ? error : failed((error as Error).message);
  } finally {
    clearTimeout(timer);
    connecting.then(
      (socket) => socket.close(),
      // It never was open, which has been said above.
      () => {},
    );
  }
};
