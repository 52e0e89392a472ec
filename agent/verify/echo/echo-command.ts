// SPDX-License-Identifier: Apache-2.0
// `sansproxy echo` as a command: serves until it is told to end.
import { hostname } from "node:os";
import { startEchoServer } from "./server.ts";

export interface EchoArguments {
  readonly host: string;
  readonly port: number;
}

/** Gives the exit status when a signal ended it; throws when a listening socket breaks. */
export const runEchoCommand = async ({ host, port }: EchoArguments): Promise<number> => {
  // As process 1 of a container, only signals with a handler arrive.
  const ended = Promise.withResolvers<number>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.resolve(0));
  await using server = await startEchoServer({
    host,
    tcpPort: port,
    udpPort: port,
    node: process.env["NODE_NAME"] ?? hostname(),
    pod: process.env["POD_NAME"] ?? hostname(),
  });
  process.stderr.write(`echo: answering on ${host}, TCP ${server.tcpPort} and UDP ${server.udpPort}\n`);
  return await Promise.race([ended.promise, server.failed]);
};
