// SPDX-License-Identifier: Apache-2.0
// A port of the loopback that nobody listens on, for a server that has to be told its port, or for nobody.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** Below NodePorts, and above what services have by convention. */
const [FIRST, LAST] = [10_000, 29_999];
/** So many more are another process's to begin with. */
const OF_ONE_PROCESS = 101;

/** What the kernel gives to sockets that name no port. */
function ephemeral(): readonly [first: number, last: number] {
  const [first = 0, last = 0] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split("\t").map(Number);
  return [first, last];
}

let taken = 0;

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
  await new Promise((closed) => server.close(closed));
  return true;
}

/**
 * Each call of a process gives another one. It stays free until somebody asks for that very number: a port of the kernel's
 * own choice may be any other socket's before the server has it, connections among them.
 */
export async function freePort(): Promise<number> {
  const [first, last] = ephemeral();
  const count = LAST - FIRST + 1;
  for (let tried = 0; tried < count; tried++) {
    const port = FIRST + ((process.pid * OF_ONE_PROCESS + taken++) % count);
    if ((port < first || port > last) && (await isFree(port))) return port;
  }
  throw new Error(`every port from ${FIRST} to ${LAST} is taken, or given out by the kernel (${first} to ${last})`);
}
