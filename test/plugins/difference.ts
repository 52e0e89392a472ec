// SPDX-License-Identifier: Apache-2.0
// Says in which properties two sets of inputs differ, by path, whatever is secret in either.
import { Asset, type Dict, isDict, revealDict, Unknown, type Value } from "./values.ts";

export type Change = "add" | "delete" | "update";

const sameAsset = (before: Asset, after: Asset): boolean => {
  if (before.kind !== after.kind) return false;
  if (before.fields.hash !== undefined && after.fields.hash !== undefined) {
    return before.fields.hash === after.fields.hash;
  }
  return JSON.stringify([before.fields, before.assets]) === JSON.stringify([after.fields, after.assets]);
};

const compare = (
  before: Value | undefined,
  after: Value | undefined,
  path: string,
  into: Map<string, Change>,
): void => {
  if (before === undefined && after === undefined) return;
  if (before === undefined || before === null) {
    if (after !== undefined && after !== null) into.set(path, "add");
  } else if (after === undefined || after === null) {
    into.set(path, "delete");
  } else if (before instanceof Unknown || after instanceof Unknown) {
    into.set(path, "update");
  } else if (before instanceof Asset || after instanceof Asset) {
    if (!(before instanceof Asset && after instanceof Asset && sameAsset(before, after))) into.set(path, "update");
  } else if (Array.isArray(before) && Array.isArray(after)) {
    for (let i = 0; i < Math.max(before.length, after.length); i++) compare(before[i], after[i], `${path}[${i}]`, into);
  } else if (isDict(before) && isDict(after)) {
    compareMembers(before, after, path, into);
  } else if (before !== after) {
    into.set(path, "update");
  }
};

const member = (path: string, key: string): string => {
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
};

const compareMembers = (before: Dict, after: Dict, path: string, into: Map<string, Change>): void => {
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    compare(before[key], after[key], member(path, key), into);
  }
};

/** Path to change, for example `connection.port` → `update`. */
export const difference = (before: Dict, after: Dict): Map<string, Change> => {
  const changes = new Map<string, Change>();
  compareMembers(revealDict(before), revealDict(after), "", changes);
  return changes;
};

/** The top-level property a path belongs to. */
export const propertyOf = (path: string): string =>
  /^(?:\["((?:[^"\\]|\\.)*)"\]|([^.[]+))/.exec(path)?.slice(1).find(Boolean) ?? path;
