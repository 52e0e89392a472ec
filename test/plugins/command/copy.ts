// SPDX-License-Identifier: Apache-2.0
// Copies `command:remote:CopyToRemote` sources to a host by SFTP: a file, a text, or a directory with all below it.
import { readdir, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import type { SFTPWrapper, Stats } from "ssh2";
import type { Asset } from "../values.ts";
import { type Connection, dial } from "./ssh.ts";

/** Requests of 32 KiB in flight: 4 MiB hide the round trip of any ordinary network. */
const concurrency = 128;
const chunkSize = 32 * 1024;
const noSuchFile = 2;

type Done<T> = (error: Error | null | undefined, value: T) => void;

const call = <T>(what: string, start: (done: Done<T>) => void): Promise<T> =>
  new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(new Error(`failed to ${what}: ${error.message}`)) : resolve(value)));
  });

const remoteStat = (sftp: SFTPWrapper, path: string): Promise<Stats | undefined> =>
  new Promise((resolve, reject) => {
    sftp.stat(path, (error, stats) => {
      if (!error) resolve(stats);
      else if ((error as { code?: unknown }).code === noSuchFile) resolve(undefined);
      else reject(new Error(`failed to stat remote path ${path}: ${error.message}`));
    });
  });

const copyFile = async (sftp: SFTPWrapper, from: string, to: string): Promise<void> => {
  if ((await stat(from)).size === 0) return writeText(sftp, "", to);
  await call(`copy file ${from} to remote path ${to}`, (done: Done<undefined>) => {
    sftp.fastPut(from, to, { concurrency, chunkSize }, (error) => done(error, undefined));
  });
};

const writeText = (sftp: SFTPWrapper, text: string, to: string): Promise<void> =>
  call(`write text content to remote path ${to}`, (done: Done<void>) => {
    sftp.writeFile(to, text, (error) => done(error as Error | undefined, undefined));
  });

const ensureDirectory = async (sftp: SFTPWrapper, path: string): Promise<void> => {
  const existing = await remoteStat(sftp, path);
  if (existing === undefined) {
    await call(`create remote directory ${path}`, (done: Done<undefined>) => {
      sftp.mkdir(path, (error) => done(error as Error | undefined, undefined));
    });
  } else if (!existing.isDirectory()) throw new Error(`remote path ${path} exists but is not a directory`);
};

const copyDirectory = async (sftp: SFTPWrapper, from: string, to: string): Promise<void> => {
  await ensureDirectory(sftp, to);
  const entries = await readdir(from, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const [source, target] = [join(from, entry.name), posix.join(to, entry.name)];
    if (entry.isDirectory()) await copyDirectory(sftp, source, target);
    else await copyFile(sftp, source, target);
  }
};

/**
 * Where the source goes:
 *
 *     source | remote path is a directory | does not exist | is a file
 *     dir    | path/dir                   | path/dir       | error
 *     dir/   | into path                  | into path      | error
 *     file   | path/file                  | path           | path
 */
const copyPath = async (sftp: SFTPWrapper, source: string, remotePath: string): Promise<void> => {
  if ((await stat(source)).isDirectory()) {
    await ensureDirectory(sftp, remotePath);
    const target = source.endsWith("/") ? remotePath : posix.join(remotePath, basename(source));
    return copyDirectory(sftp, source, target);
  }
  const isDirectory = (await remoteStat(sftp, remotePath))?.isDirectory() ?? false;
  return copyFile(sftp, source, isDirectory ? posix.join(remotePath, basename(source)) : remotePath);
};

/** Copies `source` to `remotePath` on the host. */
export const copyToRemote = async (
  connection: Connection,
  source: Asset,
  remotePath: string,
  show: (line: string) => void,
  signal: AbortSignal,
): Promise<void> => {
  using dialed = await dial(connection, show, signal);
  const sftp = await call<SFTPWrapper>("start the SFTP subsystem", (done) =>
    dialed.client.sftp((error, wrapper) => done(error, wrapper)),
  );
  const lost = new Promise<never>((_, reject) => {
    const cut = (): void => reject(new Error(`cancelled: copying to ${connection.host}:${remotePath}`));
    if (signal.aborted) cut();
    signal.addEventListener("abort", cut, { once: true });
    dialed.client.once("close", () =>
      reject(new Error(`the connection to ${connection.host} was lost while copying to ${remotePath}`)),
    );
  });
  const { path, text } = source.fields;
  const copying = async (): Promise<void> => {
    if (path !== undefined) return copyPath(sftp, path, remotePath);
    if ((await remoteStat(sftp, remotePath))?.isDirectory()) {
      throw new Error(
        `remote path ${remotePath} is a directory; when using a text asset, remotePath must be a file path`,
      );
    }
    return writeText(sftp, text ?? "", remotePath);
  };
  await Promise.race([copying(), lost]);
};
