// SPDX-License-Identifier: Apache-2.0
// `sansproxy echo` as a command: serves until it is told to end.
import { hostname, networkInterfaces } from "node:os";
import { startEchoServer } from "./server.ts";

export interface EchoArguments {
  readonly host: string;
  readonly port: number;
}

const EVERY_IPV4 = "0.0.0.0";

/** A pod of a dual-stack cluster is asked by both families. */
const hasIpv6 = (): boolean =>
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .some(({ family, internal, address }) => family === "IPv6" && !internal && !/^fe[89ab]/i.test(address));

/** Gives the exit status when a signal ended it; throws when a listening socket breaks. */
export const runEchoCommand = async ({ host, port }: EchoArguments): Promise<number> => {
  // As process 1 of a container, only signals with a handler arrive.
  const ended = Promise.withResolvers<number>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.resolve(0));
  await using servers = new AsyncDisposableStack();
  const failures: Promise<never>[] = [];
  for (const address of host === EVERY_IPV4 && hasIpv6() ? [EVERY_IPV4, "::"] : [host]) {
    const server = servers.use(
      await startEchoServer({
        host: address,
        tcpPort: port,
        udpPort: port,
        node: process.env["NODE_NAME"] ?? hostname(),
        pod: process.env["POD_NAME"] ?? hostname(),
      }),
    );
    failures.push(server.failed);
    process.stderr.write(`echo: answering on ${address}, TCP ${server.tcpPort} and UDP ${server.udpPort}\n`);
  }
  return await Promise.race([ended.promise, ...failures]);
};
