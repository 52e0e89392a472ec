// SPDX-License-Identifier: Apache-2.0
// An HTTPS server that lists and watches one kind of object as the API server does, with faults at the test's command.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ApiServer } from "../../../agent/shell/api-client.ts";
import { freePort } from "../../support/free-port.ts";

export interface FakeObject {
  readonly metadata: { readonly namespace: string; readonly name: string; resourceVersion?: string };
  readonly note: string;
}

interface Event {
  readonly type: string;
  readonly version: number;
  readonly object: unknown;
}

/** What each request was: `list`, `list+` (a further page), `stream`, `watch@VERSION`. */
export type Request = string;

export class FakeApiServer {
  readonly requests: Request[] = [];
  /** Answers that are given instead of the right ones, in order. */
  readonly faults: ((response: ServerResponse) => void)[] = [];
  token = "first-token";
  /** Whether it can stream a list. Where it cannot, being asked to is no request that counts. */
  streams = false;
  readonly directory = mkdtempSync(join(tmpdir(), "sansproxy-api-"));
  readonly #objects = new Map<string, FakeObject>();
  readonly #events: Event[] = [];
  readonly #watches = new Map<ServerResponse, number | undefined>();
  readonly #sockets = new Map<number | undefined, Socket>();
  readonly #server: Server;
  #version = 100;
  #oldest = 0;
  #port = 0;

  constructor() {
    const [key, cert] = [join(this.directory, "key.pem"), join(this.directory, "ca.crt")];
    const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test";
    execFileSync(
      "openssl",
      [...request.split(" "), ...["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert]],
      { stdio: "ignore" },
    );
    this.writeToken(this.token);
    this.#server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) =>
      this.#answer(request, response),
    );
    // The sockets beneath TLS: only they can be reset.
    this.#server.on("connection", (stream) => {
      const socket = stream as Socket;
      const { remotePort } = socket;
      this.#sockets.set(remotePort, socket);
      socket.once("close", () => this.#sockets.delete(remotePort));
    });
  }

  /** Where a client finds it; `start` must have been called once. */
  get address(): ApiServer {
    const file = (name: string) => join(this.directory, name);
    return { host: "127.0.0.1", port: this.#port, caFile: file("ca.crt"), tokenFile: file("token") };
  }

  async start(): Promise<void> {
    this.#port ||= await freePort();
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
  }

  /** Ends every connection at once, as a crash does. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets.values()) socket.resetAndDestroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true });
  }

  writeToken(token: string): void {
    writeFileSync(join(this.directory, "token"), `${token}\n`);
  }

  get watches(): number {
    return this.#watches.size;
  }

  set(name: string, note: string): void {
    const object: FakeObject = { metadata: { namespace: "ns", name, resourceVersion: String(++this.#version) }, note };
    const type = this.#objects.has(name) ? "MODIFIED" : "ADDED";
    this.#objects.set(name, object);
    this.#send({ type, version: this.#version, object });
  }

  delete(name: string): void {
    const object = this.#objects.get(name);
    if (!object) throw new Error(`no object ${name}`);
    this.#objects.delete(name);
    const metadata = { ...object.metadata, resourceVersion: String(++this.#version) };
    this.#send({ type: "DELETED", version: this.#version, object: { ...object, metadata } });
  }

  /** Other kinds of objects have changed: our version moves on, and a bookmark says so. */
  bookmark(): number {
    this.#version += 50;
    const object = { metadata: { resourceVersion: String(this.#version) } };
    for (const response of this.#watches.keys()) response.write(line("BOOKMARK", object));
    return this.#version;
  }

  resetWatches(): void {
    for (const port of this.#watches.values()) this.#sockets.get(port)?.resetAndDestroy();
    this.#watches.clear();
  }

  /** Ends the watches in good order, as the server does when their time is over. */
  endWatches(): void {
    for (const response of this.#watches.keys()) response.end();
    this.#watches.clear();
  }

  /** Watches stay open, but nothing comes any more. */
  forgetWatches(): void {
    this.#watches.clear();
  }

  /** The history up to now is compacted away. */
  compact(): void {
    this.#oldest = this.#version;
  }

  expireWatches(): void {
    for (const response of this.#watches.keys()) {
      response.end(line("ERROR", { kind: "Status", code: 410, reason: "Expired" }));
    }
    this.#watches.clear();
  }

  #send(event: Event): void {
    this.#events.push(event);
    for (const response of this.#watches.keys()) {
      // Byte by byte, so that lines and characters are split wherever they can be.
      for (const byte of Buffer.from(line(event.type, event.object))) response.write(Buffer.of(byte));
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", "https://fake");
    const query = url.searchParams;
    if (url.pathname !== "/api/v1/things") throw new Error(`unexpected request ${request.url}`);
    const from = query.get("resourceVersion");
    const next = query.get("continue");
    const isStream = query.get("sendInitialEvents") === "true";
    if (isStream && !this.streams) {
      fail(response, 422, "Invalid");
      return;
    }
    this.requests.push(isStream ? "stream" : query.get("watch") === "true" ? `watch@${from}` : next ? "list+" : "list");
    const fault = this.faults.shift();
    if (fault) fault(response);
    else if (request.headers.authorization !== `Bearer ${this.token}`) fail(response, 401, "Unauthorized");
    else if (isStream) this.#stream(request.socket.remotePort, response);
    else if (query.get("watch") === "true") this.#watch(Number(from), request.socket.remotePort, response);
    else this.#list(Number(query.get("limit")), Number(next ?? 0), response);
  }

  #list(limit: number, from: number, response: ServerResponse): void {
    const all = [...this.#objects.values()];
    const rest = all.length > from + limit ? String(from + limit) : "";
    const metadata = { resourceVersion: String(this.#version), continue: rest };
    response.end(JSON.stringify({ items: all.slice(from, from + limit), metadata }));
  }

  #stream(port: number | undefined, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/json" });
    for (const object of this.#objects.values()) response.write(line("ADDED", object));
    const metadata = { resourceVersion: String(this.#version), annotations: { "k8s.io/initial-events-end": "true" } };
    response.write(line("BOOKMARK", { metadata }));
    this.#watches.set(response, port);
    response.on("close", () => this.#watches.delete(response));
  }

  #watch(from: number, port: number | undefined, response: ServerResponse): void {
    if (from < this.#oldest) {
      fail(response, 410, "Expired");
      return;
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    this.#watches.set(response, port);
    response.on("close", () => this.#watches.delete(response));
    for (const event of this.#events) if (event.version > from) response.write(line(event.type, event.object));
  }
}

const line = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;

export function fail(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status).end(JSON.stringify({ kind: "Status", reason, message: `${reason} by the test` }));
}
