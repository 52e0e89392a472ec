// SPDX-License-Identifier: Apache-2.0
// Proves that an EndpointSlice reads the same from the bytes of its JSON as from the objects of it, whatever JSON it is.

import fc from "fast-check";
import { expect, test } from "vitest";
import { scanEndpointSlice } from "../../../agent/core/endpoint-slice-reader.ts";
import { JsonReader } from "../../../agent/core/json-reader.ts";
import { type EndpointSlice, objectKey, readEndpointSlice } from "../../../agent/core/kubernetes-objects.ts";

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>("", 'a "quoted" \\ text', "ü€😀", "}]", -1.5e3, [["}"], { "{": "]" }], {}, [], true, null),
);
const or = <T>(usual: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: junk });
const some = (fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<object> =>
  fc
    .tuple(fc.record(fields, { requiredKeys: [] }), fc.dictionary(fc.string(), junk, { maxKeys: 2 }))
    .map(([known, others]) => ({ ...others, ...known }));

const address = fc.constantFrom(
  "10.0.0.1",
  "10.0.0.2",
  "10.0.0.3",
  "fd00::1",
  "FD00:0::2",
  "010.0.0.1",
  "",
  "host",
  "1ü",
);
const name = fc.constantFrom("a", "b", "nöde", 'with "quotes"');
const hint = fc.array(or(some({ name: or(name) })), { maxLength: 2 });

const endpoint = some({
  addresses: or(fc.array(or(address), { maxLength: 3 })),
  nodeName: or(name),
  conditions: or(some({ ready: or(fc.boolean()), serving: or(fc.boolean()), terminating: or(fc.boolean()) })),
  hints: or(some({ forZones: or(hint), forNodes: or(hint) })),
  targetRef: junk,
});

const slice = some({
  metadata: or(
    some({
      namespace: or(fc.constantFrom("ns", "other")),
      name: or(name),
      resourceVersion: or(fc.constantFrom("1", "23")),
      labels: or(
        some({ "kubernetes.io/service-name": or(name), "service.kubernetes.io/headless": or(fc.constant("")) }),
      ),
      annotations: or(
        some({ "endpoints.kubernetes.io/last-change-trigger-time": or(fc.constant("2026-01-01T00:00:00Z")) }),
      ),
    }),
  ),
  addressType: or(fc.constantFrom("IPv4", "IPv6", "FQDN")),
  ports: or(
    fc.array(or(some({ name: or(name), protocol: or(fc.constantFrom("TCP", "UDP")), port: or(fc.nat(3)) })), {
      maxLength: 3,
    }),
  ),
  endpoints: or(fc.array(or(endpoint), { maxLength: 5 })),
});

interface Spelling {
  readonly space: string;
  readonly escapesNames: boolean;
  /** Each field comes twice: with another value first. */
  readonly repeats: boolean;
}

const spelling: fc.Arbitrary<Spelling> = fc.record({
  space: fc.constantFrom("", " ", "\r\n\t"),
  escapesNames: fc.boolean(),
  repeats: fc.boolean(),
});

const escaped = (text: string): string =>
  `"${[...Array(text.length).keys()].map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`).join("")}"`;

/** A value as JSON, spelled in that way. */
function spell(value: unknown, style: Spelling): string {
  const { space } = style;
  const listed = (items: readonly string[]) => items.map((item) => `${space}${item}${space}`).join(",");
  if (Array.isArray(value)) return `[${listed(value.map((item) => spell(item, style)))}${space}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).flatMap(([field, content]) => {
    const spelled = style.escapesNames ? escaped(field) : JSON.stringify(field);
    const last = `${spelled}${space}:${space}${spell(content, style)}`;
    return style.repeats ? [`${spelled}:{"name":"first","port":[7,"]"]}`, last] : [last];
  });
  return `{${listed(fields)}${space}}`;
}

const plain = ({ endpoints, ...rest }: EndpointSlice) => ({ ...rest, endpoints: [...endpoints] });

test("reads from bytes what it reads from objects, whatever was known before", () => {
  fc.assert(
    fc.property(slice, spelling, fc.option(slice), (value, style, before) => {
      const text = spell(value, style);
      const expected = readEndpointSlice(JSON.parse(text));
      // What was known may be of another time and another type: it must make no difference.
      const known = before === null ? undefined : { ...readEndpointSlice(before), name: expected.name };
      const asked: string[] = [];
      const { object, resourceVersion } = scanEndpointSlice(new JsonReader(Buffer.from(text)), (key) => {
        asked.push(key);
        return known;
      });
      expect(plain(object)).toEqual(plain(expected));
      const { metadata } = JSON.parse(text) as { metadata?: { resourceVersion?: unknown } };
      const version = metadata?.resourceVersion;
      expect(resourceVersion).toBe(typeof version === "string" ? version : "");
      if (asked.length > 0) expect(asked.at(-1)).toBe(objectKey(expected));
    }),
    { numRuns: 500 },
  );
});

test("an endpoint that goes, comes or changes leaves the others as they are", () => {
  const endpointsOf = (...hosts: number[]) =>
    hosts.map((host) => ({ addresses: [`10.0.0.${host}`], nodeName: `n${host}` }));
  const of = (...hosts: number[]) => ({
    metadata: { name: "s" },
    addressType: "IPv4",
    endpoints: endpointsOf(...hosts),
  });
  const before = readEndpointSlice(of(1, 2, 3, 4));
  for (const hosts of [[1, 2, 3, 4], [2, 3, 4], [1, 3, 4], [4, 3, 2, 1], [9, 1, 2, 3, 4], [1, 9, 3, 4, 5], []]) {
    const { object } = scanEndpointSlice(new JsonReader(Buffer.from(JSON.stringify(of(...hosts)))), () => before);
    expect([...object.endpoints].map(({ address, nodeName }) => `${address} ${nodeName}`)).toEqual(
      hosts.map((host) => `10.0.0.${host} n${host}`),
    );
  }
});

test("refuses bytes that end too early", () => {
  fc.assert(
    fc.property(slice, spelling, fc.nat(), (value, style, cut) => {
      const bytes = Buffer.from(spell(value, style));
      const reader = new JsonReader(bytes.subarray(0, cut % bytes.length));
      expect(() => scanEndpointSlice(reader, () => undefined)).toThrow(SyntaxError);
    }),
  );
});
