// SPDX-License-Identifier: Apache-2.0
// Speaks TCP and UDP inside a namespace as told on stdin, one JSON command and one JSON answer a line.
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import koffi from "koffi";
import { parseAddress } from "../../agent/maps/address.ts";
import type { Command, Reply } from "./talker.ts";

/** An answer may come as late as a busy machine makes it, */
const PATIENCE_MS = 30_000;
/** and for silence so much has to be enough: a lost SYN has been sent again by then. */
const SILENCE_MS = 3_000;
const END = "\n".charCodeAt(0);
const tcp = new Map<string, Socket>();
const udp = new Map<string, UdpSocket>();

const inTime = <T>(work: Promise<T>, ms: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error("no answer"), { code: "TIMEOUT" })), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
};

/** A server tells each client who it is and whom it sees, in as many bytes as the client said; TCP up to a line's end. */
function listen(command: Command): Promise<Reply> {
  const { name = "", address, port } = command;
  return new Promise((resolve, reject) => {
    if (command.protocol === "udp") {
      const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
      socket.on("message", (asked, from) => {
        const reply = JSON.stringify({ name, sees: `${from.address}:${from.port}`, bytes: asked.length });
        socket.send(reply + " ".repeat(asked.length), from.port, from.address);
      });
      socket.once("error", reject).bind(port, address, () => resolve({}));
      return;
    }
    const server = createServer((socket) => {
      const sees = `${socket.remoteAddress}:${socket.remotePort}`;
      socket.on("error", () => socket.destroy());
      let asked = 0;
      socket.on("data", (data) => {
        asked += data.length;
        if (data.at(-1) !== END) return;
        socket.write(`${JSON.stringify({ name, sees, bytes: asked })}${" ".repeat(asked)}\n`);
        asked = 0;
      });
    });
    server.once("error", reject).listen(port, address, () => resolve({}));
  });
}

function openTcp(command: Command): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { address, port } = command;
    const options = command.localPort === undefined ? {} : { localPort: command.localPort };
    const socket = connect({ host: address, port, ...options });
    // Rejecting a settled promise is harmless: a later reset of the connection shows as no answer.
    socket.once("connect", () => resolve(socket)).on("error", reject);
  });
}

function askTcp(socket: Socket, bytes: number): Promise<Reply> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    const parts: Buffer[] = [];
    const heard = (data: Buffer): void => {
      parts.push(data);
      if (data.at(-1) !== END) return;
      socket.off("data", heard);
      const reply = JSON.parse(Buffer.concat(parts).toString());
      resolve({ ...reply, peer: `${socket.remoteAddress}:${socket.remotePort}` });
    };
    socket.on("data", heard);
    socket.write(`${"?".repeat(bytes - 1)}\n`);
  });
}

async function speakTcp(command: Command): Promise<Reply> {
  const socket = (command.key && tcp.get(command.key)) || (await openTcp(command));
  if (command.key !== undefined) tcp.set(command.key, socket);
  try {
    return await askTcp(socket, command.bytes ?? 1);
  } finally {
    if (command.key === undefined) socket.destroy();
  }
}

/** Names a router in the socket's routing header (a segment routing header, the only kind that a process may set). */
function routeBy(socket: UdpSocket, router: string): void {
  const SEGMENT_ROUTING = 4;
  const segments = [Buffer.alloc(16), parseAddress(router)];
  const last = segments.length - 1;
  const header = Buffer.concat([
    Buffer.from([0, 2 * segments.length, SEGMENT_ROUTING, last, last, 0, 0, 0]),
    ...segments,
  ]);
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const setsockopt = koffi.load("libc.so.6").func("int setsockopt(int fd, int level, int name, void *value, int size)");
  const [IPPROTO_IPV6, IPV6_RTHDR] = [41, 57];
  if (setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, header, header.length) !== 0)
    throw new Error(`IPV6_RTHDR: errno ${koffi.errno()}`);
}

function openUdp(command: Command): Promise<UdpSocket> {
  return new Promise((resolve, reject) => {
    const { address, port } = command;
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.once("error", reject);
    socket.bind(command.localPort ?? 0, () => {
      if (command.by !== undefined) routeBy(socket, command.by);
      if (command.connected !== true) return resolve(socket);
      const connected = (error?: Error): void => (error instanceof Error ? reject(error) : resolve(socket));
      socket.connect(port, address, connected as () => void);
    });
  });
}

function askUdp(socket: UdpSocket, command: Command): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error | null): void => {
      if (error !== null) reject(error);
    };
    socket.removeAllListeners("error").once("error", reject);
    socket.removeAllListeners("message").once("message", (data, from) => {
      const peer = command.connected === true ? socket.remoteAddress() : undefined;
      const told = peer === undefined ? {} : { peer: `${peer.address}:${peer.port}` };
      resolve({ ...JSON.parse(data.toString()), from: `${from.address}:${from.port}`, ...told });
    });
    const question = "?".repeat(command.bytes ?? 1);
    if (command.connected === true) socket.send(question, failed);
    else socket.send(question, command.port, command.address, failed);
  });
}

async function speakUdp(command: Command): Promise<Reply> {
  const socket = (command.key && udp.get(command.key)) || (await openUdp(command));
  if (command.key !== undefined) udp.set(command.key, socket);
  try {
    return await askUdp(socket, command);
  } finally {
    if (command.key === undefined) socket.close();
  }
}

async function carryOut(command: Command): Promise<Reply> {
  if (command.op === "listen") return listen(command);
  const speaks = command.protocol === "tcp" ? speakTcp(command) : speakUdp(command);
  return inTime(speaks, command.unanswered === true ? SILENCE_MS : PATIENCE_MS);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, ...command } = JSON.parse(line) as Command & { id: number };
  carryOut(command).then(
    (reply) => console.log(JSON.stringify({ id, ...reply })),
    (error) => console.log(JSON.stringify({ id, error: error.code ?? String(error) })),
  );
}
process.exit(0);
