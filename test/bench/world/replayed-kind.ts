// SPDX-License-Identifier: Apache-2.0
// All objects of one kind as an API server lists and watches them: lists of one moment, watches that miss no change.
import type { ServerResponse } from "node:http";

/** So many changes can be caught up with; who asks for what was before is told 410, and lists again. */
const HISTORY = 10_000;
const EXPIRED = 410;

interface Event {
  readonly version: number;
  readonly line: string;
}

export interface Status {
  readonly code: number;
  readonly reason: string;
}

const line = (type: string, object: string): string => `{"type":"${type}","object":${object}}\n`;

const statusText = ({ code, reason }: Status): string =>
  JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", reason, message: reason, code });

const json = (response: ServerResponse, code = 200): ServerResponse =>
  response.writeHead(code, { "content-type": "application/json" });

export function refuse(response: ServerResponse, status: Status): void {
  json(response, status.code).end(statusText(status));
}

export class ReplayedKind {
  readonly #listKind: string;
  readonly #apiVersion: string;
  readonly #items: string[];
  readonly #watches = new Set<ServerResponse>();
  readonly #history: Event[] = [];
  /** What lists that were begun go on with, by the version that they began at. */
  readonly #begun = new Map<number, readonly string[]>();
  #forgotten = 0;

  constructor(listKind: string, apiVersion: string, items: readonly string[] = []) {
    this.#listKind = listKind;
    this.#apiVersion = apiVersion;
    this.#items = [...items];
  }

  /** The object at this place has changed; says when (of CLOCK_MONOTONIC) the bytes of that began to go to the sockets. */
  change(place: number, object: string, version: number): bigint {
    this.#items[place] = object;
    const event = { version, line: line("MODIFIED", object) };
    const bytes = Buffer.from(event.line);
    const at = process.hrtime.bigint();
    for (const response of this.#watches) response.write(bytes);
    this.#history.push(event);
    // In large steps, as each moves all that stays.
    if (this.#history.length >= 2 * HISTORY) this.#forgotten = this.#history.splice(0, HISTORY).at(-1)?.version ?? 0;
    return at;
  }

  one(name: string, response: ServerResponse): void {
    const [item] = named(this.#items, name);
    if (item === undefined) refuse(response, { code: 404, reason: "NotFound" });
    else json(response).end(item);
  }

  /** Of all objects, or of the one that has the name. */
  list(query: URLSearchParams, name: string | undefined, now: number, response: ServerResponse): void {
    const [version = now, from = 0] = (query.get("continue") ?? "").split(":").filter(Boolean).map(Number);
    const begun = from === 0 ? named(this.#items, name) : this.#begun.get(version);
    if (begun === undefined) {
      refuse(response, { code: EXPIRED, reason: "Expired" });
      return;
    }
    const end = from + (Number(query.get("limit") ?? 0) || begun.length);
    const more = end < begun.length;
    if (more && from === 0) this.#begun.set(version, [...begun]);
    if (!more) this.#begun.delete(version);
    const metadata = { resourceVersion: String(version), continue: more ? `${version}:${end}` : "" };
    const head = `{"kind":"${this.#listKind}","apiVersion":"${this.#apiVersion}","metadata":${JSON.stringify(metadata)}`;
    json(response).end(`${head},"items":[${begun.slice(from, end).join(",")}]}`);
  }

  /** Changes since the asked version; with `sendInitialEvents` all objects, and a bookmark that says that these were all. */
  watch(query: URLSearchParams, name: string | undefined, now: number, response: ServerResponse): void {
    json(response).flushHeaders();
    response.socket?.setNoDelay(true);
    const since = Number(query.get("resourceVersion") || now);
    if (query.get("sendInitialEvents") === "true") {
      for (const item of named(this.#items, name)) response.write(line("ADDED", item));
      response.write(line("BOOKMARK", this.#endOfInitialEvents(now)));
    } else if (since < this.#forgotten) {
      response.end(line("ERROR", statusText({ code: EXPIRED, reason: "Expired" })));
      return;
    } else {
      for (const { line: text } of this.#history.filter(({ version }) => version > since)) response.write(text);
    }
    this.#watches.add(response);
    response.on("close", () => this.#watches.delete(response));
  }

  #endOfInitialEvents(now: number): string {
    const annotations = { "k8s.io/initial-events-end": "true" };
    const metadata = { resourceVersion: String(now), annotations };
    return JSON.stringify({ kind: this.#listKind.replace(/List$/, ""), apiVersion: this.#apiVersion, metadata });
  }
}

const named = (items: readonly string[], name: string | undefined): readonly string[] =>
  name === undefined ? items : items.filter((item) => item.includes(`"name":"${name}"`));
