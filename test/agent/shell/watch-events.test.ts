// SPDX-License-Identifier: Apache-2.0
// Proves that an event of a watch reads the same parsed and scanned, in whatever order its fields come.

import { describe, expect, test } from "vitest";
import { parseWatchEvent, type ReadObject, scanWatchEvent } from "../../../agent/shell/watch-events.ts";

const view = (json: unknown) => (json as { note: string }).note;
const read: ReadObject<string> = (reader) => {
  const json = JSON.parse(reader.source());
  return { object: view(json), resourceVersion: json.metadata.resourceVersion };
};

describe.each([
  ["parsed", (line: string) => parseWatchEvent(Buffer.from(line), view)],
  ["scanned", (line: string) => scanWatchEvent(Buffer.from(line), read, () => undefined)],
])("%s", (_, event) => {
  test.each(["ADDED", "MODIFIED", "DELETED"])("%s brings the object, also when the type comes last", (type) => {
    const object = '{"metadata":{"resourceVersion":"7"},"note":"ü } \\""}';
    const expected = { type, seen: { object: 'ü } "', resourceVersion: "7" } };
    expect(event(`{"type":"${type}","object":${object}}`)).toEqual(expected);
    expect(event(`{"object":${object},"other":[{}],"type":"${type}"}`)).toEqual(expected);
  });

  test("a bookmark says its version, and whether it ends the initial events", () => {
    const bookmark = (metadata: object) => event(JSON.stringify({ type: "BOOKMARK", object: { metadata } }));
    expect(bookmark({ resourceVersion: "8" })).toEqual({ type: "BOOKMARK", resourceVersion: "8", isInitialEnd: false });
    expect(bookmark({ resourceVersion: "9", annotations: { "k8s.io/initial-events-end": "true" } })).toEqual({
      type: "BOOKMARK",
      resourceVersion: "9",
      isInitialEnd: true,
    });
  });

  test("an error is handed on as it was reported", () => {
    expect(event('{"type":"ERROR","object":{"code":410}}')).toEqual({ type: "ERROR", reported: { code: 410 } });
  });

  test.each(['{"type":"SURPRISE","object":{}}', '{"object":{}}', "[]", '"ADDED"'])("refuses %s", (line) => {
    expect(() => event(line)).toThrow("unknown event");
  });
});
