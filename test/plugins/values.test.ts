// SPDX-License-Identifier: Apache-2.0
// Checks that property values survive the way over the protocol, and that differences are found wherever they are.
import fc from "fast-check";
import structProto from "google-protobuf/google/protobuf/struct_pb.js";
import { expect, test } from "vitest";
import { difference, propertyOf } from "./difference.ts";
import {
  Asset,
  containsSecret,
  containsUnknown,
  type Dict,
  decodeDict,
  encodeDict,
  revealDict,
  Secret,
  unknown,
  type Value,
} from "./values.ts";

const key = fc.string({ minLength: 1, maxLength: 8 }).filter((name) => name !== "__proto__");
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string(),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.constant(unknown),
    fc.record({ text: fc.string({ minLength: 1 }) }).map((fields) => new Asset("asset", fields)),
    tie("value").map((inner) => new Secret(inner)),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const dict: fc.Arbitrary<Dict> = fc.dictionary(key, value, { maxKeys: 5, noNullPrototype: true });

const overTheWire = (sent: Dict): Dict => {
  const struct = structProto.Struct.fromJavaScript(
    encodeDict(sent) as Parameters<typeof structProto.Struct.fromJavaScript>[0],
  );
  return decodeDict(structProto.Struct.deserializeBinary(struct.serializeBinary()).toJavaScript());
};

test("any value comes back as it was sent", () => {
  fc.assert(
    fc.property(dict, (sent) => {
      expect(overTheWire(sent)).toEqual(sent);
    }),
  );
});

test("revealing leaves no secret and changes nothing else", () => {
  fc.assert(
    fc.property(dict, (sent) => {
      const revealed = revealDict(sent);
      expect(containsSecret(revealed)).toBe(false);
      expect(containsUnknown(revealed)).toBe(containsUnknown(sent));
    }),
  );
});

test("a value without unknowns does not differ from itself, secret or not", () => {
  fc.assert(
    fc.property(
      dict.filter((sent) => !containsUnknown(sent)),
      (sent) => {
        expect([...difference(sent, overTheWire(sent))]).toEqual([]);
        expect([...difference(sent, revealDict(sent))]).toEqual([]);
      },
    ),
  );
});

test("differences carry their paths", () => {
  const before: Dict = { same: 1, list: ["a", "b"], nested: { gone: 1, "with space": 1 } };
  const after: Dict = { same: 1, list: ["a", new Secret("c"), "d"], nested: { "with space": unknown }, added: true };
  const changes = difference(before, after);
  expect(Object.fromEntries(changes)).toEqual({
    "list[1]": "update",
    "list[2]": "add",
    "nested.gone": "delete",
    'nested["with space"]': "update",
    added: "add",
  });
  expect([...changes.keys()].map(propertyOf)).toEqual(["list", "list", "nested", "nested", "added"]);
});

test("assets differ by their contents, not by where they lie", () => {
  const asset = (path: string, hash: string): Dict => ({ source: new Asset("asset", { path, hash }) });
  expect(difference(asset("/a", "1"), asset("/b", "1")).size).toBe(0);
  expect(difference(asset("/a", "1"), asset("/a", "2")).size).toBe(1);
});
