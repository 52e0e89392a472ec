// SPDX-License-Identifier: Apache-2.0
// Keeps a local copy of one kind of object: has all of them streamed (or lists in pages), watches from there, and starts again after any failure, for ever.

import { setTimeout as pause } from "node:timers/promises";
import type { Collection } from "../core/kubernetes-objects.ts";
import type { ObjectChange } from "../core/relevance.ts";
import { type ApiClient, ApiError, type RequestLimits } from "./api-client.ts";
import { Backoff, type BackoffLimits } from "./backoff.ts";
import { errorText, type Log } from "./log.ts";
import { type ChangeType, parseWatchEvent, type ReadObject, scanWatchEvent, type WatchEvent } from "./watch-events.ts";

export interface ListWatchOptions<T> {
  readonly client: ApiClient;
  /** Such as `/api/v1/services`. */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Takes from an object what the agent needs; the rest is not kept. */
  readonly view: (json: unknown) => T;
  /** The same from bytes, where there are many; used once the first list is there. */
  readonly read?: ReadObject<T>;
  readonly key: (object: T) => string;
  readonly log: Log;
  /** Called after each change of the copy, with the object that it was; without one when all may have changed. */
  readonly onChange: (change?: ObjectChange<T>) => void;
  readonly onRestart?: (reason: WatchRestart) => void;
  readonly limits?: Partial<ListWatchLimits>;
}

export const watchRestarts = ["expired", "ended", "failed"] as const;
export type WatchRestart = (typeof watchRestarts)[number];

export interface ListWatchLimits {
  readonly pageSize: number;
  readonly backoff: BackoffLimits;
  readonly list: RequestLimits;
  /** A watch brings a bookmark about every minute: longer silence is a dead connection. */
  readonly watch: RequestLimits;
  /** The server ends a watch after this time, up to doubled by jitter. */
  readonly watchSeconds: number;
  /** So many watches in a row that bring nothing, and the copy is listed anew. */
  readonly failuresBeforeRelist: number;
}

const DEFAULTS: ListWatchLimits = {
  pageSize: 500,
  backoff: { firstMs: 250, limitMs: 15_000 },
  list: { responseTimeoutMs: 60_000, idleTimeoutMs: 30_000 },
  watch: { responseTimeoutMs: 30_000, idleTimeoutMs: 130_000 },
  watchSeconds: 300,
  failuresBeforeRelist: 4,
};

/** A server that does not know how to stream a list finds the request invalid. */
const CANNOT_STREAM = [400, 405, 422];

/** The server no longer has the history since our version. */
class Expired extends Error {}

/** The server cannot stream a list, though it may list in pages. */
class NoStream extends Error {}

/** A watch that has begun, and what it has brought already. */
interface Begun {
  readonly lines: readonly Buffer[];
  readonly events: AsyncGenerator<readonly Buffer[]>;
}

export class ListWatch<T> implements Collection<T> {
  readonly #options: ListWatchOptions<T>;
  readonly #limits: ListWatchLimits;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  #objects = new Map<string, T>();
  #synced = false;
  #resourceVersion = "";
  #streams = true;
  #lastError = "";
  #running: Promise<void> | undefined;

  constructor(options: ListWatchOptions<T>) {
    this.#options = options;
    this.#limits = { ...DEFAULTS, ...options.limits };
    this.#backoff = new Backoff(this.#limits.backoff);
  }

  get synced(): boolean {
    return this.#synced;
  }

  get objects(): ReadonlyMap<string, T> {
    return this.#objects;
  }

  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  /** What went wrong last; empty when the last request succeeded. */
  get lastError(): string {
    return this.#lastError;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        const begun = this.#streams ? await this.#stream() : await this.#list();
        await this.#watchUntilExpired(begun);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof NoStream) this.#streams = false;
        else await this.#waitAfter(error);
      }
    }
  }

  /**
   * A watch that brings all objects first, one by one: nothing is ever in memory as a list. Returns what has come after them,
   * and the watch where it goes on with changes.
   */
  async #stream(): Promise<Begun> {
    const objects = new Map<string, T>();
    const query = { sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan", resourceVersion: "" };
    const events = this.#events(query);
    try {
      for (let next = await events.next(); !next.done; next = await events.next()) {
        for (const [index, line] of next.value.entries()) {
          const event = this.#read(line);
          if (event.type === "ERROR") this.#fail(event.reported);
          if (event.type !== "BOOKMARK") {
            const { object } = event.seen;
            if (event.type === "DELETED") objects.delete(this.#options.key(object));
            else objects.set(this.#options.key(object), object);
          } else if (event.isInitialEnd) {
            this.#replace(objects, event.resourceVersion);
            return { lines: next.value.slice(index + 1), events };
          }
        }
      }
    } catch (error) {
      if (error instanceof ApiError && CANNOT_STREAM.includes(error.status)) throw new NoStream(error.message);
      throw error;
    }
    throw new NoStream(`${this.#options.path}: the stream ended before all objects had come`);
  }

  async #list(): Promise<undefined> {
    const objects = new Map<string, T>();
    const { pageSize, list } = this.#limits;
    let next: string | undefined;
    let version = "";
    do {
      const query = this.#query({ limit: String(pageSize), ...(next === undefined ? {} : { continue: next }) });
      const page = (await this.#options.client.getJson(query, list, this.#stop.signal)) as {
        items?: unknown[];
        metadata?: { resourceVersion?: string; continue?: string };
      };
      if (!page.metadata?.resourceVersion) throw new Error(`${this.#options.path}: the list has no resourceVersion`);
      for (const item of page.items ?? []) {
        const object = this.#options.view(item);
        objects.set(this.#options.key(object), object);
      }
      version = page.metadata.resourceVersion;
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
    this.#replace(objects, version);
    return undefined;
  }

  /** The old copy is in use until the new one is whole: a relist never makes objects vanish for a moment. */
  #replace(objects: Map<string, T>, version: string): void {
    this.#objects = objects;
    this.#resourceVersion = version;
    this.#synced = true;
    this.#succeeded();
    this.#options.log.debug("listed", { path: this.#options.path, objects: objects.size, resourceVersion: version });
    this.#options.onChange();
  }

  /** Watches again and again from the last version seen, at first by what has begun; returns when only a new list can help. */
  async #watchUntilExpired(begun: Begun | undefined): Promise<void> {
    for (let next = begun; ; next = undefined) {
      try {
        await this.#watch(next ?? { lines: [], events: this.#events({ resourceVersion: this.#resourceVersion }) });
        this.#options.onRestart?.("ended");
      } catch (error) {
        if (this.#stop.signal.aborted) throw error;
        if (isExpired(error)) {
          this.#options.onRestart?.("expired");
          this.#options.log.info("the watch's history has expired, listing again", { path: this.#options.path });
          return;
        }
        this.#options.onRestart?.("failed");
        const relist = this.#backoff.failures >= this.#limits.failuresBeforeRelist;
        await this.#waitAfter(error);
        if (relist) return;
      }
    }
  }

  #events(query: Readonly<Record<string, string>>): AsyncGenerator<readonly Buffer[]> {
    const seconds = Math.round(this.#limits.watchSeconds * (1 + Math.random()));
    const asked = { watch: "true", allowWatchBookmarks: "true", ...query, timeoutSeconds: String(seconds) };
    return this.#options.client.getLines(this.#query(asked), this.#limits.watch, this.#stop.signal);
  }

  async #watch({ lines, events }: Begun): Promise<void> {
    this.#receive(lines);
    let received = lines.length;
    for await (const next of events) {
      this.#receive(next);
      received += next.length;
      this.#succeeded();
    }
    // A server that ends watches at once, without a word, must not be asked in a tight loop.
    if (received === 0) await pause(this.#backoff.nextMs(), undefined, { signal: this.#stop.signal });
  }

  #receive(lines: readonly Buffer[]): void {
    for (const line of lines) {
      const event = this.#read(line);
      if (event.type === "ERROR") this.#fail(event.reported);
      const { resourceVersion } = event.type === "BOOKMARK" ? event : event.seen;
      const change = event.type === "BOOKMARK" ? undefined : this.#apply(event.type, event.seen.object);
      if (resourceVersion !== "") this.#resourceVersion = resourceVersion;
      if (change) this.#options.onChange(change);
    }
  }

  #apply(type: ChangeType, object: T): ObjectChange<T> {
    const key = this.#options.key(object);
    const before = this.#objects.get(key);
    if (type === "DELETED") this.#objects.delete(key);
    else this.#objects.set(key, object);
    return { before, after: type === "DELETED" ? undefined : object };
  }

  #read(line: Buffer): WatchEvent<T> {
    try {
      const { read, view } = this.#options;
      // All of a first list goes through the engine's own parser sooner than through ours, which it has not compiled yet.
      if (!read || !this.#synced) return parseWatchEvent(line, view);
      return scanWatchEvent(line, read, (key) => this.#objects.get(key));
    } catch (error) {
      throw new Error(`${this.#options.path}: ${errorText(error)}`, { cause: error });
    }
  }

  #fail(reported: unknown): never {
    if ((reported as { code?: number } | undefined)?.code === 410) throw new Expired("410");
    throw new Error(`${this.#options.path}: the watch reported ${JSON.stringify(reported)}`);
  }

  #succeeded(): void {
    this.#backoff.reset();
    this.#lastError = "";
  }

  async #waitAfter(error: unknown): Promise<void> {
    const asked = error instanceof ApiError ? error.retryAfterMs : 0;
    const delayMs = Math.max(asked, this.#backoff.nextMs());
    this.#lastError = errorText(error);
    this.#options.log.warn("cannot follow the API server, trying again", {
      path: this.#options.path,
      error: this.#lastError,
      retryInMs: Math.round(delayMs),
    });
    try {
      await pause(delayMs, undefined, { signal: this.#stop.signal });
    } catch {
      // Stopped while waiting: the loop sees it.
    }
  }

  #query(parameters: Record<string, string>): string {
    const query = new URLSearchParams(parameters);
    if (this.#options.labelSelector) query.set("labelSelector", this.#options.labelSelector);
    if (this.#options.fieldSelector) query.set("fieldSelector", this.#options.fieldSelector);
    return `${this.#options.path}?${query}`;
  }
}

const isExpired = (error: unknown): boolean =>
  error instanceof Expired || (error instanceof ApiError && error.status === 410);
