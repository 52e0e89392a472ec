// SPDX-License-Identifier: Apache-2.0
// The bytes that user space writes are the bytes that the compiled programs read.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatAddress, parseAddress, parseCidr } from "../../agent/maps/address.ts";
import { FRAGMENT_SECONDS, SEEN_OFFSETS } from "../../agent/maps/connection-layout.ts";
import { counterNames } from "../../agent/maps/counters.ts";
import { ABI, defaultEntries, mapShapes } from "../../agent/maps/map-table.ts";
import { encodeDevice, encodeNodeConfig, networkEntries } from "../../agent/maps/node-layout.ts";
import {
  decodeBackend,
  decodeFrontend,
  decodeFrontendKey,
  decodeSelection,
  decodeSourceRange,
  encodeBackend,
  encodeFrontend,
  encodeFrontendKey,
  encodeSelection,
  encodeSourceRange,
} from "../../agent/maps/service-layout.ts";
import { BpfObject } from "../../agent/shell/kernel/libbpf.ts";
import { network, objectsDir } from "./world.ts";

interface BtfType {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly size?: number;
  readonly members?: readonly { readonly name: string; readonly bits_offset: number }[];
  readonly values?: readonly { readonly name: string; readonly val: number }[];
}

const objects = ["socket_lb.bpf.o", "socket_guard.bpf.o", "tc.bpf.o", "xdp.bpf.o", "release.bpf.o"].map((file) =>
  join(objectsDir(), file),
);

const btf = objects.map((object) => {
  const json = execFileSync("bpftool", ["-j", "btf", "dump", "file", object], { encoding: "utf8" });
  return (JSON.parse(json) as { types: BtfType[] }).types;
});

/** Offsets of a struct's members in bytes, and its size, as each object that knows it was compiled. */
function structs(name: string): Record<string, number>[] {
  const found = btf
    .map((types) => types.find((type) => type.kind === "STRUCT" && type.name === name))
    .filter((type) => type !== undefined);
  return found.map((type) => ({
    ...Object.fromEntries((type.members ?? []).map((member) => [member.name, member.bits_offset / 8])),
    size: type.size ?? -1,
  }));
}

const number = (bytes: number, value: number): Buffer => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, bytes);
  return buffer;
};
/** Ports are in the order of packets. */
const portBytes = (value: number): Buffer => number(2, value).swap16();
const word = (value: bigint): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(value);
  return buffer;
};
const bytesOf = (address: string): Buffer => parseAddress(address);

/** What user space writes of each struct, and the members that it means by that: each has a value of its own. */
const written: Record<string, { bytes: Buffer; members: Record<string, Buffer> }> = {
  frontend_key: {
    bytes: encodeFrontendKey({ address: "*4", port: 0x1234, protocol: 17 }),
    members: { address: bytesOf("0.0.0.0"), port: portBytes(0x1234), protocol: number(1, 17), kind: number(1, 1) },
  },
  frontend: {
    bytes: encodeFrontend({
      selection: 0x1112_1314,
      externalSelection: 0x2122_2324,
      service: 0x3132_3334,
      affinitySeconds: 0x4142_4344,
      ...{ noEndpoint: "drop", sourceRanges: true, scope: "external", algorithm: "maglev", dsr: true },
    }),
    members: {
      selection: number(4, 0x1112_1314),
      external_selection: number(4, 0x2122_2324),
      service: number(4, 0x3132_3334),
      affinity_seconds: number(4, 0x4142_4344),
      flags: number(4, 0b11111),
    },
  },
  source_range_key: {
    bytes: encodeSourceRange({ service: 0x1112_1314, cidr: "fd00:1:2:3::/64" }),
    members: {
      prefix_bits: number(4, 32 + 64),
      service: number(4, 0x1112_1314),
      address: bytesOf("fd00:1:2:3::"),
    },
  },
  selection: {
    bytes: word(encodeSelection({ offset: 0x1112_1314, count: 0x2122, generation: 0x3132 })),
    members: { offset: number(4, 0x1112_1314), count: number(2, 0x2122), generation: number(2, 0x3132) },
  },
  backend: {
    bytes: encodeBackend({ address: "fd00::9", port: 0x1234, protocol: 132 }),
    members: {
      address: bytesOf("fd00::9"),
      port: portBytes(0x1234),
      protocol: number(1, 132),
      flags: number(1, 0),
      reserved: number(4, 0),
    },
  },
  node_config: {
    bytes: encodeNodeConfig(
      {
        ...{ ...network, masqueradeAddresses: ["192.0.2.1", "fd00::2"], masquerade: [4, 6] },
        ...{ nodePortRange: { first: 0x1112, last: 0x2122 }, dsr: true },
      },
      0x3132_3334_3536_3738n,
    ),
    members: {
      masquerade_v4: bytesOf("192.0.2.1"),
      masquerade_v6: bytesOf("fd00::2"),
      node_port_first: number(2, 0x1112),
      node_port_last: number(2, 0x2122),
      flags: number(4, 0b11111),
      namespace: word(0x3132_3334_3536_3738n),
    },
  },
  device: {
    bytes: encodeDevice({ mac: Buffer.from("020304050607", "hex"), turns: true, takes: true }),
    members: { mac: Buffer.from("020304050607", "hex"), flags: number(2, 0b11) },
  },
  network_key: {
    bytes: Buffer.from(
      [
        ...networkEntries({
          ...network,
          podCidrs: ["fd00:1::/48"],
          clusterPodCidrs: [],
          nonMasqueradeCidrs: [],
        }).keys(),
      ].join(),
      "hex",
    ),
    members: { prefix_bits: number(4, 48), address: bytesOf("fd00:1::") },
  },
};

test.each(Object.entries(written))("struct %s is written as it lies in the objects", (name, { bytes, members }) => {
  const found = structs(name);
  expect(found.length).toBeGreaterThan(0);
  for (const { size, ...offsets } of found) {
    expect(Object.keys(members)).toEqual(Object.keys(offsets));
    const ends = [...Object.values(offsets), size].slice(1);
    const sizes = Object.values(offsets).map((offset, index) => (ends[index] ?? 0) - offset);
    expect(Object.values(members).map(({ length }) => length)).toEqual(sizes);
    expect(bytes.toString("hex")).toBe(Buffer.concat(Object.values(members)).toString("hex"));
  }
});

test.each(Object.entries(SEEN_OFFSETS))(
  "the time in an entry of %s is read where it lies in the objects",
  (map, at) => {
    const found = structs({ fragments: "fragment", affinities: "affinity", flows: "flow" }[map] ?? map);
    expect(found.length).toBeGreaterThan(0);
    for (const { seen } of found) expect(seen).toBe(at);
  },
);

/** What user space writes none of: a change of these needs a new ABI version. */
const layouts: Record<string, Record<string, number>> = {
  address: { word: 0, size: 16 },
  recent_device: { jiffy: 0, index: 8, reserved: 12, device: 16, size: 24 },
  recent_route: {
    source: 0,
    destination: 16,
    jiffy: 32,
    from: 40,
    to: 44,
    length: 48,
    turns: 50,
    neighbour: 52,
    own: 58,
    size: 64,
  },
  affinity_key: { client: 0, service: 16, kind: 20, size: 24 },
  affinity: { backend: 0, seen: 4, position: 8, reserved: 12, size: 16 },
  socket_flow_key: { cookie: 0, address: 8, port: 24, protocol: 26, direction: 27, reserved: 28, size: 32 },
  socket_peer: {
    frontend: 0,
    backend: 16,
    frontend_port: 32,
    backend_port: 34,
    backend_id: 36,
    flags: 40,
    size: 44,
  },
  socket_flow: { address: 0, port: 16, reserved: 18, backend: 20, size: 24 },
  tuple: { source: 0, destination: 16, source_port: 32, destination_port: 34, size: 36 },
  flow_key: { tuple: 0, protocol: 36, hook: 37, reserved: 38, size: 40 },
  fragment_key: { source: 0, destination: 16, id: 32, protocol: 36, size: 40 },
  fragment: { source_port: 0, destination_port: 2, protocol: 4, begins: 5, reserved: 6, seen: 8, size: 12 },
  flow: { rewritten: 0, backend: 36, service: 40, seen: 44, action: 48, flags: 49, granule: 50, size: 52 },
};

test.each(Object.entries(layouts))(
  "struct %s, which programs alone write, lies in the objects as in this version",
  (name, layout) => {
    const found = structs(name);
    expect(found.length).toBeGreaterThan(0);
    for (const struct of found) expect(struct).toEqual(layout);
  },
);

test.each(objects)(
  "every map of %s has the shape that user space expects, and a name that the kernel keeps",
  (path) => {
    const object = new BpfObject(path);
    try {
      const { flow_cache: cache, ".rodata.flows": cacheLines, ...shared } = Object.fromEntries(object.maps());
      expect(shared).toEqual(mapShapes(defaultEntries));
      // What the programs that see packets have for themselves.
      if (/\/(tc|xdp)\./.test(path)) expect([cache?.valueBytes, cacheLines?.valueBytes]).toEqual([64, 4]);
      else expect([cache, cacheLines]).toEqual([undefined, undefined]);
      for (const name of object.maps().keys()) expect(name.length).toBeLessThanOrEqual(15);
    } finally {
      object.close();
    }
  },
);

test("the counters have the names that the programs count by", () => {
  // An enum that a program only uses for its values is not in BTF; its source is.
  const source = execFileSync(
    "sed",
    ["-n", "/^enum counter {/,/^};/p", join(import.meta.dirname, "../../bpf/layout.h")],
    {
      encoding: "utf8",
    },
  );
  const names = [...source.matchAll(/^\tCOUNT_([A-Z_]+)/gm)].map((match) => match[1]?.toLowerCase());
  expect(names).toEqual([...counterNames]);
});

test("an entry of fragments says something for as long as the programs believe it", () => {
  const source = readFileSync(join(import.meta.dirname, "../../bpf/lib/fragment.h"), "utf8");
  expect(source).toContain(`#define FRAGMENT_SECONDS ${FRAGMENT_SECONDS}\n`);
});

test("the ABI version is the one of layout.h", () => {
  const source = execFileSync("grep", ["SANSPROXY_ABI =", join(import.meta.dirname, "../../bpf/layout.h")], {
    encoding: "utf8",
  });
  expect(source).toContain(`SANSPROXY_ABI = ${ABI},`);
});

const port = fc.integer({ min: 1, max: 65_535 });
const protocol = fc.constantFrom(6 as const, 17 as const, 132 as const);
const address = fc.oneof(
  fc.ipV4(),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => formatAddress(Buffer.from(bytes))),
);
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u16 = fc.integer({ min: 0, max: 0xffff });

describe("what is encoded is decoded again", () => {
  test("frontend keys, wildcards among them", () => {
    const key = fc.record({ address: fc.oneof(address, fc.constantFrom("*4", "*6")), port, protocol });
    fc.assert(
      fc.property(key, (key) => {
        expect(decodeFrontendKey(encodeFrontendKey(key))).toEqual(key);
      }),
    );
  });

  test("frontends", () => {
    const entry = fc.record({
      selection: u32,
      externalSelection: u32,
      noEndpoint: fc.constantFrom("reject" as const, "drop" as const),
      affinitySeconds: u32,
      sourceRanges: fc.boolean(),
      service: u32,
      scope: fc.constantFrom("cluster" as const, "external" as const),
    });
    const maglev = entry.map((plain) => ({ ...plain, algorithm: "maglev" as const }));
    const direct = maglev.map((table) => ({ ...table, dsr: true }));
    fc.assert(
      fc.property(fc.oneof(entry, maglev, direct), (entry) => {
        expect(decodeFrontend(encodeFrontend(entry))).toEqual(entry);
      }),
    );
  });

  test("source ranges, without the bits that say nothing", () => {
    const range = fc.record({ service: u32, address, length: fc.integer({ min: 0, max: 32 }) });
    fc.assert(
      fc.property(range, ({ service, address, length }) => {
        const decoded = decodeSourceRange(encodeSourceRange({ service, cidr: `${address}/${length}` }));
        expect(decoded.service).toBe(service);
        expect(decoded.cidr.endsWith(`/${length}`)).toBe(true);
        expect(parseCidr(decoded.cidr)).toEqual(parseCidr(`${address}/${length}`));
        expect(decodeSourceRange(encodeSourceRange(decoded))).toEqual(decoded);
      }),
    );
  });

  test("selections", () => {
    const selection = fc.record({ offset: u32, count: u16, generation: u16 });
    fc.assert(
      fc.property(selection, (value) => {
        expect(decodeSelection(encodeSelection(value))).toEqual(value);
      }),
    );
  });

  test("backends", () => {
    const backend = fc.record({ address, port, protocol });
    const gone = backend.map((there) => ({ ...there, gone: true }));
    fc.assert(
      fc.property(fc.oneof(backend, gone), (value) => {
        expect(decodeBackend(encodeBackend(value))).toEqual(value);
      }),
    );
  });
});

test("a NodePort wildcard never meets a frontend of the address 0.0.0.0", () => {
  const wildcard = encodeFrontendKey({ address: "*4", port: 30_000, protocol: 6 });
  expect(wildcard.equals(encodeFrontendKey({ address: "0.0.0.0", port: 30_000, protocol: 6 }))).toBe(false);
});

test.each([
  ["10.96.0.1", "00000000000000000000ffff0a600001"],
  ["::ffff:10.96.0.1", "00000000000000000000ffff0a600001"],
  ["fd00::1", "fd000000000000000000000000000001"],
  ["::", "00000000000000000000000000000000"],
  ["2001:db8:0:0:1:0:0:1", "20010db8000000000001000000000001"],
])("address %s is %s", (text, hex) => {
  expect(parseAddress(text).toString("hex")).toBe(hex);
});

test.each(["10.96.0", "10.96.0.256", "010.0.0.1", "fd00:::1", "1:2:3", "::1::", "", "*4"])(
  "%j is refused as an address",
  (text) => expect(() => parseAddress(text)).toThrow(/is not an IPv4 or IPv6 address/),
);

test.each(["10.0.0.0", "10.0.0.0/33", "fd00::/129"])("%j is refused as a CIDR", (text) =>
  expect(() => parseCidr(text)).toThrow(RangeError),
);

test("a node's pod network inside a network that is not masqueraded carries both facts", () => {
  const entries = networkEntries(network);
  const key = (hex: string) => entries.get(hex)?.readUInt32LE(0);
  expect(key("7800000000000000000000000000ffff0af40100".padStart(40, "0"))).toBe(7);
  expect(key("7000000000000000000000000000ffff0af40000".padStart(40, "0"))).toBe(6);
});

test.each([
  [["192.0.2.1", "fd00::5"], "00000000000000000000ffffc0000201fd000000000000000000000000000005"],
  [["192.0.2.1"], "00000000000000000000ffffc000020100000000000000000000000000000000"],
  [["fd00::5"], "00000000000000000000000000000000fd000000000000000000000000000005"],
])("a node that masquerades as %s has zeros for a family without", (masqueradeAddresses, hex) => {
  const given = { ...network, nodeAddresses: ["192.0.2.9", "2001:db8::dead"], masqueradeAddresses };
  expect(encodeNodeConfig(given, 7n).subarray(0, 32).toString("hex")).toBe(hex);
});

test.each([
  [true, false, "02aabbccddee0100"],
  [true, true, "02aabbccddee0300"],
  [false, true, "02aabbccddee0200"],
])("a device that turns frames (%s) and takes them (%s) is %s", (turns, takes, hex) => {
  expect(encodeDevice({ mac: Buffer.from("02aabbccddee", "hex"), turns, takes }).toString("hex")).toBe(hex);
});
