// SPDX-License-Identifier: Apache-2.0
// Keeps a local copy of one kind of object: lists in pages, watches from there, and starts again after any failure, for ever.

import { setTimeout as pause } from "node:timers/promises";
import type { Collection } from "../core/kubernetes-objects.ts";
import type { ObjectChange } from "../core/relevance.ts";
import { type ApiClient, ApiError, type RequestLimits } from "./api-client.ts";
import { Backoff, type BackoffLimits } from "./backoff.ts";
import { errorText, type Log } from "./log.ts";

export interface ListWatchOptions<T> {
  readonly client: ApiClient;
  /** Such as `/api/v1/services`. */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Takes from an object what the agent needs; the rest is not kept. */
  readonly view: (json: unknown) => T;
  readonly key: (object: T) => string;
  readonly log: Log;
  /** Called after each change of the copy, with the object that it was; without one when all may have changed. */
  readonly onChange: (change?: ObjectChange<T>) => void;
  readonly onRestart?: (reason: WatchRestart) => void;
  readonly limits?: Partial<ListWatchLimits>;
}

export type WatchRestart = "expired" | "ended" | "failed";

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

/** The server no longer has the history since our version. */
class Expired extends Error {}

interface WatchEvent {
  readonly type?: string;
  readonly object?: { readonly metadata?: { readonly resourceVersion?: string }; readonly code?: number };
}

export class ListWatch<T> implements Collection<T> {
  readonly #options: ListWatchOptions<T>;
  readonly #limits: ListWatchLimits;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  #objects = new Map<string, T>();
  #synced = false;
  #resourceVersion = "";
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
        await this.#list();
        await this.#watchUntilExpired();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        await this.#waitAfter(error);
      }
    }
  }

  async #list(): Promise<void> {
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
    // The old copy stays in use until the new one is whole: a relist never makes objects vanish for a moment.
    this.#objects = objects;
    this.#resourceVersion = version;
    this.#synced = true;
    this.#succeeded();
    this.#options.log.debug("listed", { path: this.#options.path, objects: objects.size, resourceVersion: version });
    this.#options.onChange();
  }

  /** Watches again and again from the last version seen; returns when only a new list can help. */
  async #watchUntilExpired(): Promise<void> {
    for (;;) {
      try {
        await this.#watch();
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

  async #watch(): Promise<void> {
    const seconds = Math.round(this.#limits.watchSeconds * (1 + Math.random()));
    const path = this.#query({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: this.#resourceVersion,
      timeoutSeconds: String(seconds),
    });
    let events = 0;
    for await (const event of this.#options.client.getLines(path, this.#limits.watch, this.#stop.signal)) {
      this.#receive(event as WatchEvent);
      events++;
      this.#succeeded();
    }
    // A server that ends watches at once, without a word, must not be asked in a tight loop.
    if (events === 0) await pause(this.#backoff.nextMs(), undefined, { signal: this.#stop.signal });
  }

  #receive(event: WatchEvent): void {
    const version = event.object?.metadata?.resourceVersion;
    let change: ObjectChange<T> | undefined;
    switch (event.type) {
      case "ADDED":
      case "MODIFIED": {
        const after = this.#options.view(event.object);
        const key = this.#options.key(after);
        change = { before: this.#objects.get(key), after };
        this.#objects.set(key, after);
        break;
      }
      case "DELETED": {
        const key = this.#options.key(this.#options.view(event.object));
        change = { before: this.#objects.get(key), after: undefined };
        this.#objects.delete(key);
        break;
      }
      case "BOOKMARK":
        break;
      case "ERROR":
        if (event.object?.code === 410) throw new Expired("410");
        throw new Error(`${this.#options.path}: the watch reported ${JSON.stringify(event.object)}`);
      default:
        throw new Error(`${this.#options.path}: the watch sent an unknown event "${event.type}"`);
    }
    if (version) this.#resourceVersion = version;
    if (change) this.#options.onChange(change);
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
