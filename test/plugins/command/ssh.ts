// SPDX-License-Identifier: Apache-2.0
// Opens SSH connections as the official command plugin does: retries, a bastion, host key checking when a key is given.
import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import ssh2 from "ssh2";
import { type HostKey, HostKeyMismatch, parseHostKey } from "./host-key.ts";

export interface Endpoint {
  readonly agentSocketPath?: string;
  readonly dialErrorLimit: number;
  readonly host: string;
  readonly hostKey?: string;
  readonly password?: string;
  readonly perDialTimeout: number;
  readonly port: number;
  readonly privateKey?: string;
  readonly privateKeyPassword?: string;
  readonly user: string;
}

export interface Connection extends Endpoint {
  readonly proxy?: Endpoint;
}

export interface Dialed extends Disposable {
  readonly client: ssh2.Client;
}

const retryDelayMs = (attempt: number): number => Math.min(100 * 1.5 ** attempt, 5_000);
const keepAliveMs = 15_000;

const where = ({ user, host, port }: Endpoint): string => `${user}@${host}:${port}`;

/** The private key, or one sentence about it: never a part of it. */
const privateKey = (endpoint: Endpoint): ssh2.ParsedKey | undefined => {
  if (endpoint.privateKey === undefined) return undefined;
  const parsed = ssh2.utils.parseKey(endpoint.privateKey, endpoint.privateKeyPassword);
  if (parsed instanceof Error) {
    throw new Error(
      `connection.privateKey for ${where(endpoint)} cannot be read: ${parsed.message}; give the whole key file and, if it is encrypted, privateKeyPassword`,
    );
  }
  return Array.isArray(parsed) ? parsed[0] : parsed;
};

const open = (sock: Duplex, endpoint: Endpoint, expected: HostKey | undefined): Promise<ssh2.Client> =>
  new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    let mismatch: Error | undefined;
    const agent = endpoint.agentSocketPath ?? process.env["SSH_AUTH_SOCK"];
    const key = endpoint.privateKey;
    client.once("ready", () => {
      client.removeListener("error", onError);
      // Whoever uses the connection sees its end; an error without a listener would end this process.
      client.on("error", () => client.end());
      resolve(client);
    });
    const onError = (error: Error): void => {
      client.destroy();
      reject(mismatch ?? error);
    };
    client.once("error", onError);
    client.once("close", () => reject(mismatch ?? new Error("the connection was closed by the host")));
    client.on("keyboard-interactive", (_name, _instructions, _language, prompts, answer) =>
      answer(prompts.map(() => endpoint.password ?? "")),
    );
    client.connect({
      sock,
      username: endpoint.user,
      readyTimeout: endpoint.perDialTimeout * 1_000,
      ...(endpoint.password === undefined ? {} : { password: endpoint.password, tryKeyboard: true }),
      ...(key === undefined ? {} : { privateKey: key }),
      ...(endpoint.privateKeyPassword === undefined ? {} : { passphrase: endpoint.privateKeyPassword }),
      ...(agent === undefined || agent === "" ? {} : { agent }),
      algorithms: {
        cipher: { prepend: ["aes128-gcm@openssh.com"] },
        ...(expected === undefined ? {} : { serverHostKey: [...expected.algorithms] as ssh2.ServerHostKeyAlgorithm[] }),
      } as ssh2.Algorithms,
      hostVerifier: (presented: Buffer) => {
        if (expected === undefined || presented.equals(expected.blob)) return true;
        mismatch = new HostKeyMismatch(endpoint.host, expected, presented);
        return false;
      },
    });
  });

const tcp = (endpoint: Endpoint): Promise<Duplex> =>
  new Promise((resolve, reject) => {
    const timeoutMs = endpoint.perDialTimeout * 1_000;
    const socket = connectTcp({ host: endpoint.host, port: endpoint.port });
    if (timeoutMs > 0) {
      socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer within ${endpoint.perDialTimeout} s`)));
    }
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.setTimeout(0);
      socket.removeListener("error", reject);
      socket.setKeepAlive(true, keepAliveMs);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });

const throughBastion = (bastion: ssh2.Client, endpoint: Endpoint): Promise<Duplex> =>
  new Promise((resolve, reject) => {
    bastion.forwardOut("127.0.0.1", 0, endpoint.host, endpoint.port, (error, channel) =>
      error ? reject(error) : resolve(channel),
    );
  });

const retrying = async <T>(
  what: string,
  endpoint: Endpoint,
  show: (line: string) => void,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> => {
  const limit = endpoint.dialErrorLimit;
  for (let failed = 0; ; failed++) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof HostKeyMismatch) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      if (limit >= 0 && failed >= limit) {
        throw new Error(`cannot reach ${where(endpoint)} by SSH after ${failed + 1} attempts: ${reason}`);
      }
      show(`${what} ${failed + 1}/${limit < 0 ? "inf" : limit} failed: retrying`);
      await delay(retryDelayMs(failed), undefined, { signal });
    }
  }
};

/** Connects, through the bastion if there is one. The connection ends when the result is disposed or `signal` aborts. */
export const dial = async (
  connection: Connection,
  show: (line: string) => void,
  signal: AbortSignal,
): Promise<Dialed> => {
  privateKey(connection);
  const expected = connection.hostKey === undefined ? undefined : parseHostKey(connection.hostKey);
  const { proxy } = connection;
  if (proxy === undefined) {
    const client = await retrying("Dial", connection, show, signal, async () =>
      open(await tcp(connection), connection, expected),
    );
    return { client, [Symbol.dispose]: () => void client.end() };
  }
  privateKey(proxy);
  const expectedProxy = proxy.hostKey === undefined ? undefined : parseHostKey(proxy.hostKey);
  const bastion = await retrying("Dial proxy", proxy, show, signal, async () =>
    open(await tcp(proxy), proxy, expectedProxy),
  );
  try {
    const client = await retrying("Dial from proxy", connection, show, signal, async () =>
      open(await throughBastion(bastion, connection), connection, expected),
    );
    const dispose = (): void => {
      client.end();
      bastion.end();
    };
    return { client, [Symbol.dispose]: dispose };
  } catch (error) {
    bastion.end();
    throw error;
  }
};
