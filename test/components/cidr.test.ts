// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Cidr, contains, overlaps, parseCidr, subnetCount } from "../../components/internal/cidr.ts";

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no network`);
  return parsed;
};

const octet = fc.integer({ min: 0, max: 255 });
const address = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join("."));

/** The network of a length that holds the address, computed bit by bit. */
function networkOf(text: string, length: number): string {
  const bits = text
    .split(".")
    .map((part) => Number(part).toString(2).padStart(8, "0"))
    .join("");
  const masked = bits.slice(0, length).padEnd(32, "0");
  return `${[0, 8, 16, 24].map((start) => Number.parseInt(masked.slice(start, start + 8), 2)).join(".")}/${length}`;
}

describe("networks", () => {
  it.each(["10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "300.0.0.0/8", "fd00::1/64", "fd00::/129", "x/8", ""])(
    "refuse %j",
    (text) => {
      expect(parseCidr(text)).toBeUndefined();
    },
  );

  it.each(["0.0.0.0/0", "10.244.0.0/16", "fd00:1::/48", "::/0", "::ffff:10.0.0.0/104"])("accept %j", (text) => {
    expect(parseCidr(text)).toBeDefined();
  });

  it("of different families never overlap", () => {
    expect(overlaps(cidr("0.0.0.0/0"), cidr("::/0"))).toBe(false);
  });

  it("overlap in IPv6 as in IPv4", () => {
    expect(overlaps(cidr("fd00::/16"), cidr("fd00:1::/48"))).toBe(true);
    expect(overlaps(cidr("fd00:2::/48"), cidr("fd00:1::/48"))).toBe(false);
    expect(contains(cidr("fd00:1::/48"), "fd00:1::7")).toBe(true);
  });

  it("contain every address whose prefix is theirs, and no other", () => {
    fc.assert(
      fc.property(address, address, fc.integer({ min: 0, max: 32 }), (inside, other, length) => {
        const network = networkOf(inside, length);
        expect(contains(cidr(network), inside)).toBe(true);
        expect(contains(cidr(network), other)).toBe(networkOf(other, length) === network);
      }),
    );
  });

  it("overlap exactly when one contains the other's first address", () => {
    const network = fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([text, length]) => networkOf(text, length));
    fc.assert(
      fc.property(network, network, (a, b) => {
        const first = (text: string) => text.split("/")[0] ?? "";
        const expected = contains(cidr(a), first(b)) || contains(cidr(b), first(a));
        expect(overlaps(cidr(a), cidr(b))).toBe(expected);
        expect(overlaps(cidr(b), cidr(a))).toBe(expected);
      }),
    );
  });

  it("count the smaller networks that fit", () => {
    expect(subnetCount(cidr("10.244.0.0/16"), 24)).toBe(256);
    expect(subnetCount(cidr("10.244.0.0/25"), 24)).toBe(0);
  });
});
