// SPDX-License-Identifier: Apache-2.0
// Asks the test backend through raw sockets (TCP, connected UDP, unconnected UDP) and checks whom the socket says it talks to.
import { randomUUID } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect } from "node:net";
import { type EchoAnswer, formatRequest, parseAnswer } from "../echo/message.ts";

export interface Target {
  readonly address: string;
  readonly port: number;
}
export type Ask = (target: Target) => Promise<EchoAnswer>;

const TCP_TIMEOUT_MS = 3_000;
const UDP_RESEND_MS = 700;
/** A datagram may be lost without anything being wrong; three in a row may not. */
const UDP_SENDS = 3;

const describe = ({ address, port }: Target): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

/** Applications compare the peer with what they dialled: a translated address must not show. */
const checkPeer = (
  target: Target,
  peer: { address?: string | undefined; port?: number | undefined },
  call: string,
): void => {
  if (peer.address !== target.address || peer.port !== target.port) {
    throw new Error(`${call} shows ${peer.address}:${peer.port} instead of ${describe(target)}`);
  }
};

export const askTcp: Ask = (target) =>
  new Promise((resolve, reject) => {
    const nonce = randomUUID();
    let received = "";
    const socket = connect({ host: target.address, port: target.port });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(new Error(`TCP ${describe(target)}: ${error.message}`, { cause: error }));
    };
    const timer = setTimeout(() => fail(new Error(`no answer within ${TCP_TIMEOUT_MS} ms`)), TCP_TIMEOUT_MS);
    socket.setEncoding("utf8");
    socket.once("error", fail);
    socket.once("close", () => clearTimeout(timer));
    socket.once("connect", () => {
      try {
        checkPeer(target, { address: socket.remoteAddress, port: socket.remotePort }, "getpeername");
        socket.write(formatRequest(nonce));
      } catch (error) {
        fail(error as Error);
      }
    });
    socket.on("data", (chunk: string) => {
      received += chunk;
    });
    socket.once("end", () => {
      try {
        resolve(parseAnswer(received, nonce));
      } catch (error) {
        fail(error as Error);
      }
    });
  });

type Send = (socket: UdpSocket, request: string) => void;

/** Sends, again after a while, and waits for the answer to this very nonce. */
const exchange = (socket: UdpSocket, target: Target, send: Send, checkSender: boolean): Promise<EchoAnswer> =>
  new Promise((resolve, reject) => {
    const nonce = randomUUID();
    const fail = (error: Error): void => {
      clearInterval(resend);
      reject(new Error(`UDP ${describe(target)}: ${error.message}`, { cause: error }));
    };
    let sends = 1;
    const resend = setInterval(() => {
      if (sends++ < UDP_SENDS) send(socket, formatRequest(nonce));
      else fail(new Error(`no answer to ${UDP_SENDS} datagrams within ${UDP_SENDS * UDP_RESEND_MS} ms`));
    }, UDP_RESEND_MS);
    socket.on("error", fail);
    socket.on("message", (message, sender) => {
      try {
        if (checkSender) checkPeer(target, sender, "recvmsg");
        resolve(parseAnswer(message.toString("utf8"), nonce));
        clearInterval(resend);
      } catch (error) {
        fail(error as Error);
      }
    });
    send(socket, formatRequest(nonce));
  });

const withUdpSocket = async <T>(target: Target, use: (socket: UdpSocket) => Promise<T>): Promise<T> => {
  const socket = createSocket(target.address.includes(":") ? "udp6" : "udp4");
  try {
    return await use(socket);
  } finally {
    socket.close();
  }
};

export const askUdpConnected: Ask = (target) =>
  withUdpSocket(target, async (socket) => {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(target.port, target.address, () => {
        socket.off("error", reject);
        resolve();
      });
    });
    checkPeer(target, socket.remoteAddress(), `UDP ${describe(target)}: getpeername`);
    return exchange(socket, target, (from, request) => from.send(request), true);
  });

export const askUdpUnconnected: Ask = (target) =>
  withUdpSocket(target, (socket) =>
    exchange(socket, target, (from, request) => from.send(request, target.port, target.address), true),
  );
