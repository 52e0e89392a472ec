// SPDX-License-Identifier: Apache-2.0
// Runs `command:remote:Command`: one command in an SSH session on the host.
import type { ClientChannel } from "ssh2";
import type { Subject } from "../provider.ts";
import type { Dict } from "../values.ts";
import { previousOutput } from "./local-command.ts";
import { failure, type Logging, Output, type Said } from "./output.ts";
import { type Connection, type Dialed, dial } from "./ssh.ts";

/** What a cancelled command gets to end by itself before its connection is cut. */
const graceMs = 3_000;

export interface RemoteInputs {
  readonly addPreviousOutputInEnv?: boolean;
  readonly connection: Connection;
  readonly environment?: Record<string, string>;
  readonly logging?: Logging;
  readonly stdin?: string;
}

interface Running {
  readonly channel: ClientChannel;
  /** Why the command did not end well; undefined when it did. */
  readonly ended: Promise<string | undefined>;
}

/** Starts a command. Its end is listened for at once: a quick one's may arrive together with its start. */
const start = ({ client }: Dialed, command: string, env: Record<string, string>): Promise<Running> =>
  new Promise((resolve, reject) => {
    client.exec(command, { env }, (error, channel) => {
      if (error) reject(error);
      else resolve({ channel, ended: endOf(channel) });
    });
  });

const endOf = (channel: ClientChannel): Promise<string | undefined> =>
  new Promise((resolve) => {
    let lost = "the connection was lost while the command ran";
    channel.once("error", (error: Error) => {
      lost = error.message;
    });
    channel.once("close", (code?: number | null, signal?: string) => {
      if (code === 0) resolve(undefined);
      else if (code === undefined) resolve(lost);
      else resolve(code === null ? `Process exited with signal ${signal}` : `Process exited with status ${code}`);
    });
  });

/** The variables sshd did not take, found by asking the session for its environment. */
const refused = async (dialed: Dialed, environment: Record<string, string>): Promise<string[]> => {
  const { channel, ended } = await start(dialed, "env -0", environment);
  const chunks: Buffer[] = [];
  channel.on("data", (bytes: Buffer) => chunks.push(bytes));
  channel.stderr.resume();
  const failed = await ended;
  if (failed !== undefined) throw new Error(`the host's environment cannot be read: \`env -0\`: ${failed}`);
  const accepted = new Set(Buffer.concat(chunks).toString("utf8").split("\0"));
  return Object.entries(environment).flatMap(([name, value]) => (accepted.has(`${name}=${value}`) ? [] : [name]));
};

const explain = (name: string): string =>
  `Unable to set '${name}'. This only works if your SSH server is configured to accept these variables via AcceptEnv. ` +
  "Alternatively, if a Bash-like shell runs the command on the remote host, prefix the command itself with the variables in the form 'VAR=value command'";

/** The environment the session really gets; a variable of the program's own that sshd refuses is an error. */
const acceptedEnvironment = async (
  dialed: Dialed,
  own: Record<string, string>,
  previous: Record<string, string>,
  log: Subject["log"],
): Promise<Record<string, string>> => {
  const wanted = { ...own, ...previous };
  if (Object.keys(wanted).length === 0) return {};
  for (const name of await refused(dialed, wanted)) {
    if (name in own) {
      log("error", explain(name));
      throw new Error(`could not set environment variable ${JSON.stringify(name)}: ssh: setenv failed`);
    }
    log("warning", explain(name));
  }
  return wanted;
};

/** Runs `command` on the host to its end and returns `stdout` and `stderr`. */
export const runRemotely = async (
  command: string,
  inputs: RemoteInputs,
  previous: Partial<Said>,
  log: Subject["log"],
  signal: AbortSignal,
): Promise<Dict> => {
  const show = (line: string): void => log("info", line, { ephemeral: true });
  using dialed = await dial(inputs.connection, show, signal);
  const env = await acceptedEnvironment(
    dialed,
    inputs.environment ?? {},
    previousOutput(inputs, previous) as Record<string, string>,
    log,
  );
  const output = new Output(inputs.logging, show);
  const { channel, ended } = await start(dialed, command, env);
  channel.on("data", (bytes: Buffer) => output.add("stdout", bytes));
  channel.stderr.on("data", (bytes: Buffer) => output.add("stderr", bytes));
  let cut: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    channel.signal("TERM");
    cut = setTimeout(() => dialed.client.end(), graceMs);
  };
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    channel.end(inputs.stdin ?? "");
    const why = await ended;
    const said = output.finish();
    if (signal.aborted) throw failure("cancelled", command, output);
    if (why !== undefined) throw failure(why, command, output);
    return { ...said };
  } finally {
    signal.removeEventListener("abort", onAbort);
    clearTimeout(cut);
  }
};
