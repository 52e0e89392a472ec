// SPDX-License-Identifier: Apache-2.0
// Speaks HTTPS to the API server at its real address, with the Pod's own CA and token, which are read again as they rotate.

import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";

export interface ApiServer {
  /** Name or address as this node reaches it without any Service. */
  readonly host: string;
  readonly port: number;
  readonly caFile: string;
  readonly tokenFile: string;
}

/** The API server answered, but not with success. */
export class ApiError extends Error {
  readonly status: number;
  readonly retryAfterMs: number;

  constructor(asked: string, status: number, body: string, retryAfter: string | undefined) {
    super(`${asked}: the API server answered ${status}${explain(body)}${remedyFor(status)}`);
    this.name = "ApiError";
    this.status = status;
    this.retryAfterMs = /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) * 1000 : 0;
  }
}

export interface RequestLimits {
  /** The answer's head must arrive within this time. */
  readonly responseTimeoutMs: number;
  /** The body may not pause for longer than this: a silent connection counts as dead. */
  readonly idleTimeoutMs: number;
}

const USER_AGENT = "sansproxy-agent";
const KEEPALIVE_MS = 15_000;
const LONGEST_ERROR_BODY = 2_000;
const NEWLINE = 10;

export class ApiClient {
  readonly #server: ApiServer;
  #ca = "";
  #agent: Agent | undefined;

  constructor(server: ApiServer) {
    this.#server = server;
  }

  /** GETs a whole JSON answer. */
  async getJson(path: string, limits: RequestLimits, signal: AbortSignal): Promise<unknown> {
    const response = await this.#send("GET", path, undefined, limits, signal);
    const text = await readAll(response, Number.POSITIVE_INFINITY);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new Error(`GET ${path}: the answer is not JSON (${text.length} characters)`, { cause: error });
    }
  }

  /** GETs a stream of lines, as many at a time as have come; ends when the server ends it and throws when the connection breaks. */
  async *getLines(path: string, limits: RequestLimits, signal: AbortSignal): AsyncGenerator<readonly Buffer[]> {
    const response = await this.#send("GET", path, undefined, limits, signal);
    let begun: Buffer[] = [];
    try {
      for await (const received of response) {
        const chunk = received as Buffer;
        const lines: Buffer[] = [];
        let from = 0;
        for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
          const rest = chunk.subarray(from, end);
          const line = begun.length === 0 ? rest : Buffer.concat([...begun, rest]);
          begun = [];
          from = end + 1;
          if (line.length > 0) lines.push(line);
        }
        if (from < chunk.length) begun.push(chunk.subarray(from));
        if (lines.length > 0) yield lines;
      }
    } finally {
      response.destroy();
    }
    if (begun.length > 0) throw new Error(`GET ${path}: the stream ended in the middle of a line`);
  }

  /** Creates an object; the answer is not read. */
  async postJson(path: string, body: unknown, limits: RequestLimits, signal: AbortSignal): Promise<void> {
    (await this.#send("POST", path, JSON.stringify(body), limits, signal)).resume();
  }

  close(): void {
    this.#agent?.destroy();
  }

  async #send(
    method: "GET" | "POST",
    path: string,
    body: string | undefined,
    limits: RequestLimits,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const token = (await readCredential(this.#server.tokenFile, "token")).trim();
    const agent = this.#agentFor(await readCredential(this.#server.caFile, "CA certificate"));
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const { host, port } = this.#server;
    const outgoing = request({
      host,
      port,
      path,
      method,
      agent,
      signal,
      headers: {
        accept: "application/json",
        "user-agent": USER_AGENT,
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
    });
    const deadline = setTimeout(() => {
      outgoing.destroy(new Error(`no answer within ${limits.responseTimeoutMs} ms`));
    }, limits.responseTimeoutMs);
    outgoing.on("socket", (socket) => socket.setKeepAlive(true, KEEPALIVE_MS));
    outgoing.once("response", resolve);
    outgoing.on("error", (error) => {
      reject(new Error(`${method} https://${host}:${port}${path}: ${error.message}`, { cause: error }));
    });
    outgoing.end(body);
    const response = await promise.finally(() => clearTimeout(deadline));
    response.setTimeout(limits.idleTimeoutMs, () => {
      response.destroy(new Error(`${method} ${path}: nothing received for ${limits.idleTimeoutMs} ms`));
    });
    const status = response.statusCode ?? 0;
    if (status === 200 || status === 201) return response;
    const answer = await readAll(response, LONGEST_ERROR_BODY);
    throw new ApiError(`${method} ${path}`, status, answer, response.headers["retry-after"]);
  }

  /** Connections made with an older CA live on until they end. */
  #agentFor(ca: string): Agent {
    if (!this.#agent || ca !== this.#ca) {
      this.#ca = ca;
      this.#agent = new Agent({ ca, keepAlive: true, keepAliveMsecs: KEEPALIVE_MS, maxFreeSockets: 2 });
    }
    return this.#agent;
  }
}

async function readCredential(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new Error(`cannot read the service account's ${what} ${path}: ${code}; mount the service account token`);
  }
}

async function readAll(response: IncomingMessage, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > limit) break;
  }
  return Buffer.concat(chunks).toString("utf8");
}

function explain(body: string): string {
  try {
    const { reason, message } = JSON.parse(body) as { reason?: string; message?: string };
    return reason || message ? ` (${[reason, message].filter(Boolean).join(": ")})` : "";
  } catch {
    return "";
  }
}

function remedyFor(status: number): string {
  if (status === 401) return "; the service account token is not accepted: is it of this cluster?";
  if (status === 403) return "; the agent's ClusterRole must allow it";
  return "";
}
