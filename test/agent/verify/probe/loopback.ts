// SPDX-License-Identifier: Apache-2.0
// Real servers on the loopback for tests of the probe: backend, agent, name server, API server, and a copy of /proc.
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EchoServer, startEchoServer } from "../../../../agent/verify/echo/server.ts";

export const startEcho = (stack: AsyncDisposableStack, node: string): Promise<EchoServer> =>
  startEchoServer({ host: "127.0.0.1", tcpPort: 0, udpPort: 0, node, pod: `echo-${node}` }).then((server) =>
    stack.use(server),
  );

const listen = async (stack: AsyncDisposableStack, server: Server): Promise<number> => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => new Promise<void>((done) => server.close(() => done())));
  return (server.address() as AddressInfo).port;
};

/** Answers /readyz with what `body` gives at that moment. */
export const startAgent = (stack: AsyncDisposableStack, status: () => number, body: () => unknown): Promise<number> =>
  listen(
    stack,
    createHttpServer((request, response) => {
      if (request.url !== "/readyz") throw new Error(`unexpected request ${request.url}`);
      response.writeHead(status(), { connection: "close" }).end(JSON.stringify(body()));
    }),
  );

/** A name server that answers every A query with one address, or with NXDOMAIN. */
export const startNameServer = async (stack: AsyncDisposableStack, address: string | undefined): Promise<number> => {
  const socket = createSocket("udp4");
  socket.on("message", (query, peer) => {
    const end = query.indexOf(0, 12) + 5;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(address === undefined ? 0x8183 : 0x8180, 2);
    header.writeUInt16BE(address === undefined ? 0 : 1, 6);
    header.writeUInt16BE(0, 10);
    const parts = [header, query.subarray(12, end)];
    if (address !== undefined) {
      parts.push(Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...address.split(".").map(Number)]));
    }
    socket.send(Buffer.concat(parts), peer.port, peer.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  stack.defer(() => new Promise<void>((done) => socket.close(() => done())));
  return socket.address().port;
};

export const makeFolder = (stack: AsyncDisposableStack): string => {
  const folder = mkdtempSync(join(tmpdir(), "sansproxy-probe-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  return folder;
};

/** An HTTPS server with a certificate of its own for 127.0.0.1; `folder` then holds that CA and a token as a pod gets them. */
export const startApiServer = (stack: AsyncDisposableStack, folder: string): Promise<number> => {
  const key = join(folder, "server.key");
  const subject = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  execFileSync("openssl", ["req", ...kind, ...subject, "-keyout", key, "-out", join(folder, "ca.crt")], {
    stdio: "pipe",
  });
  writeFileSync(join(folder, "token"), "a-token\n");
  const server = createHttpsServer(
    { key: readFileSync(key), cert: readFileSync(join(folder, "ca.crt")) },
    (request, response) => {
      const known = request.url === "/version" && request.headers.authorization === "Bearer a-token";
      response.writeHead(known ? 200 : 403, { connection: "close" }).end(JSON.stringify({ gitVersion: "v1.36.3" }));
    },
  );
  return listen(stack, server);
};

/** A /proc with these processes and no legacy tables. */
export const makeProc = (
  stack: AsyncDisposableStack,
  processes: Readonly<Record<number, readonly string[]>>,
): string => {
  const proc = makeFolder(stack);
  for (const [pid, argv] of Object.entries(processes)) {
    mkdirSync(join(proc, pid));
    writeFileSync(join(proc, pid, "comm"), `${(argv[0] ?? "").split("/").at(-1)?.slice(0, 15)}\n`);
    writeFileSync(join(proc, pid, "cmdline"), argv.map((part) => `${part}\0`).join(""));
  }
  return proc;
};
