// SPDX-License-Identifier: Apache-2.0
// The test backend: answers each request, over TCP and over UDP, with the names of its node and Pod.
import { createSocket, type SocketOptions, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { formatAnswer, MAX_REQUEST_BYTES, parseRequest } from "./message.ts";

export interface EchoOptions {
  /** Address of one family: `::` is every IPv6 address and no IPv4 one. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly node: string;
  readonly pod: string;
}

export interface EchoServer extends AsyncDisposable {
  readonly tcpPort: number;
  readonly udpPort: number;
  /** Rejects when a listening socket breaks. */
  readonly failed: Promise<never>;
}

const IDLE_MS = 10_000;

const startTcp = async (options: EchoOptions, open: Set<Socket>): Promise<Server> => {
  const server = createServer((socket) => {
    open.add(socket);
    let received = "";
    socket.setEncoding("latin1").setTimeout(IDLE_MS, () => socket.destroy());
    socket.once("close", () => open.delete(socket));
    // A peer that resets or goes away ends only its own connection.
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: string) => {
      received += chunk;
      const nonce = parseRequest(received);
      if (nonce !== undefined) {
        const client = `${socket.remoteAddress}:${socket.remotePort}`;
        socket.end(formatAnswer({ nonce, node: options.node, pod: options.pod, client }));
      } else if (received.length > MAX_REQUEST_BYTES || received.includes("\n")) {
        socket.destroy();
      }
    });
  });
  server.listen({ port: options.tcpPort, host: options.host, ipv6Only: true });
  await once(server, "listening");
  return server;
};

const udpOptions = (host: string): SocketOptions =>
  host.includes(":") ? { type: "udp6", ipv6Only: true } : { type: "udp4" };

const startUdp = async (options: EchoOptions): Promise<UdpSocket> => {
  const socket = createSocket(udpOptions(options.host));
  socket.on("message", (message, peer) => {
    const nonce = message.length <= MAX_REQUEST_BYTES ? parseRequest(message.toString("latin1")) : undefined;
    if (nonce === undefined) return;
    const answer = formatAnswer({
      nonce,
      node: options.node,
      pod: options.pod,
      client: `${peer.address}:${peer.port}`,
    });
    // A datagram that cannot be sent is a lost datagram: the client asks again.
    socket.send(answer, peer.port, peer.address, () => {});
  });
  socket.bind(options.udpPort, options.host);
  await once(socket, "listening");
  return socket;
};

export const startEchoServer = async (options: EchoOptions): Promise<EchoServer> => {
  const open = new Set<Socket>();
  const tcp = await startTcp(options, open);
  let udp: UdpSocket;
  try {
    udp = await startUdp(options);
  } catch (error) {
    tcp.close();
    throw error;
  }
  const failed = Promise.race([once(tcp, "error"), once(udp, "error")]).then(([error]: unknown[]) => {
    throw error;
  });
  // Whoever awaits `failed` sees the error; a server that is closed before anybody does must not end the process.
  failed.catch(() => {});
  return {
    tcpPort: (tcp.address() as AddressInfo).port,
    udpPort: udp.address().port,
    failed,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await Promise.all([new Promise((done) => tcp.close(done)), new Promise<void>((done) => udp.close(done))]);
    },
  };
};
