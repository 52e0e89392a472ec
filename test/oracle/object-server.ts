// SPDX-License-Identifier: Apache-2.0
// An API server as far as kube-proxy asks one: lists and watches with selectors, in JSON, objects changed at a stroke.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Netns } from "../support/netns.ts";
import type { Metadata } from "./objects.ts";

/** What the server holds: any object with a name. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
}

type Stored = ApiObject & { readonly metadata: Metadata & { readonly resourceVersion: string } };

interface Kind {
  readonly kind: string;
  readonly apiVersion: string;
}

const KINDS: Readonly<Record<string, Kind>> = {
  "/api/v1/services": { kind: "Service", apiVersion: "v1" },
  "/api/v1/nodes": { kind: "Node", apiVersion: "v1" },
  "/apis/discovery.k8s.io/v1/endpointslices": { kind: "EndpointSlice", apiVersion: "discovery.k8s.io/v1" },
  "/apis/networking.k8s.io/v1/servicecidrs": { kind: "ServiceCIDR", apiVersion: "networking.k8s.io/v1" },
};

interface Watch {
  readonly kind: string;
  readonly matches: (object: ApiObject) => boolean;
  readonly response: ServerResponse;
}

/** The text at a path such as `metadata.name`; empty where there is none. */
function field(object: unknown, path: string): string {
  let value = object;
  for (const part of path.split(".")) value = (value as Record<string, unknown> | undefined)?.[part];
  return value === undefined ? "" : String(value);
}

const terms = (text: string | null): string[] => (text ?? "").split(",").filter((term) => term !== "");

/** Labels that must be absent, and fields that are or are not of a value: what kube-proxy asks for. */
function selection(query: URLSearchParams): (object: ApiObject) => boolean {
  const conditions = terms(query.get("fieldSelector")).map((term) => {
    const [, path = "", operator, value] = /^([\w.]+)(!=|=)(.*)$/.exec(term) ?? [];
    if (operator === undefined) throw new Error(`unexpected field selector ${term}`);
    return (object: ApiObject) => (field(object, path) === value) === (operator === "=");
  });
  for (const term of terms(query.get("labelSelector"))) {
    if (!term.startsWith("!")) throw new Error(`unexpected label selector ${term}`);
    conditions.push(({ metadata }) => !(term.slice(1) in (metadata.labels ?? {})));
  }
  return (object) => conditions.every((holds) => holds(object));
}

const idOf = ({ kind, metadata }: ApiObject): string => `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
const bodyOf = ({ metadata: { resourceVersion: _, ...metadata }, ...rest }: Stored): string =>
  JSON.stringify({ ...rest, metadata });

export class ObjectServer {
  readonly #objects = new Map<string, Stored>();
  readonly #watches = new Set<Watch>();
  readonly #server: Server;
  #version = 1000;
  /** History is not kept: whoever has seen less must list again. */
  #lastChange = 1000;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /** Listens on the loopback of a namespace; returns the port. */
  listen(netns: Netns): number {
    // Without a host Node makes the socket in this very call, so in the namespace that this thread is in.
    netns.inside(() => this.#server.listen(0));
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  put(object: ApiObject): void {
    const old = this.#objects.get(idOf(object));
    if (old !== undefined && bodyOf(old) === JSON.stringify(object)) return;
    const stored = this.#stamp(object);
    this.#objects.set(idOf(object), stored);
    this.#send(old, stored);
  }

  /** Makes these the only objects of their kinds, the `last` ones after all others. */
  replace(objects: readonly ApiObject[], last: readonly ApiObject[]): void {
    const wanted = new Set([...objects, ...last].map(idOf));
    for (const [id, object] of [...this.#objects]) {
      if (wanted.has(id) || object.kind === "Node") continue;
      this.#objects.delete(id);
      this.#send(object, undefined);
    }
    for (const object of [...objects, ...last]) this.put(object);
  }

  #stamp(object: ApiObject): Stored {
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
  }

  /** To a watch an object comes and goes with its selector, whatever happened to it; what goes is told as it last was. */
  #send(old: Stored | undefined, stored: Stored | undefined): void {
    const last = old && { ...old, metadata: { ...old.metadata, resourceVersion: String(++this.#version) } };
    for (const { kind, matches, response } of this.#watches) {
      const before = old !== undefined && old.kind === kind && matches(old);
      const now = stored !== undefined && stored.kind === kind && matches(stored);
      if (!before && !now) continue;
      const type = before && now ? "MODIFIED" : now ? "ADDED" : "DELETED";
      response.write(`${JSON.stringify({ type, object: now ? stored : last })}\n`);
    }
    this.#lastChange = this.#version;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", "http://oracle");
    const kind = KINDS[url.pathname];
    response.setHeader("content-type", "application/json");
    if (kind !== undefined && request.method === "GET") {
      const matches = selection(url.searchParams);
      if (url.searchParams.get("watch") === "true" || url.searchParams.get("watch") === "1")
        this.#watch(kind, url, matches, response);
      else this.#list(kind, matches, response);
      return;
    }
    const node = /^\/api\/v1\/nodes\/([^/]+)$/.exec(url.pathname)?.[1];
    const found = node === undefined ? undefined : this.#objects.get(`Node//${node}`);
    if (request.method === "GET" && found !== undefined) response.end(JSON.stringify(found));
    else if (request.method === "POST" && url.pathname.endsWith("/events")) this.#echo(request, response);
    else fail(response, 404, "NotFound");
  }

  #echo(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(201);
    request.pipe(response);
  }

  #list({ kind, apiVersion }: Kind, matches: Watch["matches"], response: ServerResponse): void {
    const items = [...this.#objects.values()].filter((object) => object.kind === kind && matches(object));
    const metadata = { resourceVersion: String(this.#version) };
    response.end(JSON.stringify({ kind: `${kind}List`, apiVersion, metadata, items }));
  }

  /** With `sendInitialEvents` the objects come first, then a bookmark that says so. */
  #watch({ kind, apiVersion }: Kind, url: URL, matches: Watch["matches"], response: ServerResponse): void {
    const since = Number(url.searchParams.get("resourceVersion") ?? "0");
    const isStreamed = url.searchParams.get("sendInitialEvents") === "true";
    if (!isStreamed && since < this.#lastChange) {
      fail(response, 410, "Expired");
      return;
    }
    response.writeHead(200);
    response.flushHeaders();
    for (const object of isStreamed ? this.#objects.values() : []) {
      if (object.kind === kind && matches(object)) response.write(`${JSON.stringify({ type: "ADDED", object })}\n`);
    }
    if (isStreamed) {
      const annotations = { "k8s.io/initial-events-end": "true" };
      const object = { kind, apiVersion, metadata: { resourceVersion: String(this.#version), annotations } };
      response.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
    }
    const watch = { kind, matches, response };
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
  }
}

function fail(response: ServerResponse, code: number, reason: string): void {
  const message = `${reason}, says the oracle's API server`;
  response
    .writeHead(code)
    .end(JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", reason, code, message }));
}
