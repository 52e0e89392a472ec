// SPDX-License-Identifier: Apache-2.0
// Reads the events of a watch, one a line, and of their objects as much as the agent needs.

import type { Seen } from "../core/endpoint-slice-reader.ts";
import { END, fieldNames, JsonReader } from "../core/json-reader.ts";

/** Reads an object; `known` finds what there was of it before. */
export type ReadObject<T> = (json: JsonReader, known: (key: string) => T | undefined) => Seen<T>;

export type ChangeType = "ADDED" | "MODIFIED" | "DELETED";

export type WatchEvent<T> =
  | { readonly type: ChangeType; readonly seen: Seen<T> }
  /** `isInitialEnd`: all objects have come that there were when the stream began. */
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string; readonly isInitialEnd: boolean }
  | { readonly type: "ERROR"; readonly reported: unknown };

interface ObjectJson {
  readonly metadata?: { readonly resourceVersion?: string; readonly annotations?: Readonly<Record<string, string>> };
}

/** On the bookmark after the last object that there was when the stream began. */
const END_OF_INITIAL_EVENTS = "k8s.io/initial-events-end";

const [TYPE, OBJECT] = [0, 1];
const FIELDS = fieldNames("type", "object");

/** Makes all of the event, and `view` takes from its object what is needed. */
export function parseWatchEvent<T>(line: Buffer, view: (json: unknown) => T): WatchEvent<T> {
  const { type, object } = JSON.parse(line.toString("utf8")) as {
    readonly type?: string;
    readonly object?: ObjectJson;
  };
  if (type === undefined || !isChange(type)) return readOther(type ?? "", object);
  return { type, seen: { object: view(object), resourceVersion: object?.metadata?.resourceVersion ?? "" } };
}

/** Makes nothing of it but what `read` keeps: for kinds of which there are many, when there is time to have this compiled. */
export function scanWatchEvent<T>(
  line: Buffer,
  read: ReadObject<T>,
  known: (key: string) => T | undefined,
): WatchEvent<T> {
  const json = new JsonReader(line);
  let type = "";
  let objectAt = -1;
  for (let field = json.enterObject() ? json.field(FIELDS) : END; field !== END; field = json.field(FIELDS)) {
    if (field === TYPE) type = readType(json);
    else if (field === OBJECT) {
      // The rest of the line is the object, as API servers write it.
      if (isChange(type)) return { type, seen: read(json, known) };
      objectAt = json.position;
      json.pass();
    } else json.pass();
  }
  const object = objectAt < 0 ? undefined : new JsonReader(line, objectAt);
  if (isChange(type) && object !== undefined) return { type, seen: read(object, known) };
  return readOther(type, object && JSON.parse(object.source()));
}

function readOther<T>(type: string, object: unknown): WatchEvent<T> {
  if (type === "ERROR") return { type, reported: object };
  if (type !== "BOOKMARK") throw new Error(`the watch sent an unknown event "${type}"`);
  const metadata = (object as ObjectJson | undefined)?.metadata;
  const isInitialEnd = metadata?.annotations?.[END_OF_INITIAL_EVENTS] === "true";
  return { type, resourceVersion: metadata?.resourceVersion ?? "", isInitialEnd };
}

const CHANGES: readonly ChangeType[] = ["MODIFIED", "ADDED", "DELETED"];

const isChange = (type: string): type is ChangeType => (CHANGES as readonly string[]).includes(type);

/** One of ours where it is one of them. */
const readType = (json: JsonReader): string => CHANGES.find((type) => json.passText(type)) ?? json.text();
