// SPDX-License-Identifier: Apache-2.0
// The bytes of frontends, selections, backends and source ranges, as bpf/layout.h lays them out on a little-endian machine.
import type { Backend, FrontendEntry, FrontendKey, Protocol, Selection, SourceRange } from "../core/operation.ts";
import { ADDRESS_BYTES, formatAddress, isMappedV4, parseAddress, parseCidr, writeAddress } from "./address.ts";

export const FRONTEND_KEY_BYTES = 20;
export const FRONTEND_BYTES = 20;
export const SELECTION_BYTES = 8;
export const BACKEND_BYTES = 24;
export const SOURCE_RANGE_KEY_BYTES = 24;

const KIND_ADDRESS = 0;
const KIND_NODE_PORT = 1;
const FLAG_EXTERNAL = 1;
const FLAG_DROP = 2;
const FLAG_SOURCE_RANGES = 4;
const FLAG_MAGLEV = 8;
const FLAG_DSR = 16;
const FLAG_GONE = 1;

/** The service is part of what an LPM trie compares. */
const SERVICE_BITS = 32;

/** Where a backend's `protocol` lies; 0 there means absent, so it is written last. */
export const BACKEND_PROTOCOL_OFFSET = 18;
/** One byte, which can change while the backend is in use. */
export const BACKEND_FLAGS_OFFSET = 19;

function protocolOf(value: number): Protocol {
  if (value !== 6 && value !== 17 && value !== 132)
    throw new RangeError(`protocol ${value} is none of TCP (6), UDP (17) and SCTP (132)`);
  return value;
}

const wildcards: Readonly<Record<string, string>> = { "*4": "0.0.0.0", "*6": "::" };

export function encodeFrontendKey(key: FrontendKey): Buffer {
  const wildcard = wildcards[key.address];
  const bytes = Buffer.alloc(FRONTEND_KEY_BYTES);
  parseAddress(wildcard ?? key.address).copy(bytes, 0);
  bytes.writeUInt16BE(key.port, ADDRESS_BYTES);
  bytes.writeUInt8(protocolOf(key.protocol), 18);
  bytes.writeUInt8(wildcard === undefined ? KIND_ADDRESS : KIND_NODE_PORT, 19);
  return bytes;
}

export function decodeFrontendKey(bytes: Buffer): FrontendKey {
  const address = bytes.subarray(0, ADDRESS_BYTES);
  const wildcard = bytes.readUInt8(19) === KIND_NODE_PORT;
  return {
    address: wildcard ? (isMappedV4(address) ? "*4" : "*6") : formatAddress(address),
    port: bytes.readUInt16BE(ADDRESS_BYTES),
    protocol: protocolOf(bytes.readUInt8(18)),
  };
}

export function encodeFrontend(entry: FrontendEntry): Buffer {
  const bytes = Buffer.alloc(FRONTEND_BYTES);
  bytes.writeUInt32LE(entry.selection, 0);
  bytes.writeUInt32LE(entry.externalSelection, 4);
  bytes.writeUInt32LE(entry.service, 8);
  bytes.writeUInt32LE(entry.affinitySeconds, 12);
  const flags =
    (entry.scope === "external" ? FLAG_EXTERNAL : 0) |
    (entry.noEndpoint === "drop" ? FLAG_DROP : 0) |
    (entry.sourceRanges ? FLAG_SOURCE_RANGES : 0) |
    (entry.algorithm === "maglev" ? FLAG_MAGLEV : 0) |
    (entry.dsr === true ? FLAG_DSR : 0);
  bytes.writeUInt32LE(flags, 16);
  return bytes;
}

export function decodeFrontend(bytes: Buffer): FrontendEntry {
  const flags = bytes.readUInt32LE(16);
  return {
    selection: bytes.readUInt32LE(0),
    externalSelection: bytes.readUInt32LE(4),
    noEndpoint: (flags & FLAG_DROP) === 0 ? "reject" : "drop",
    affinitySeconds: bytes.readUInt32LE(12),
    sourceRanges: (flags & FLAG_SOURCE_RANGES) !== 0,
    service: bytes.readUInt32LE(8),
    scope: (flags & FLAG_EXTERNAL) === 0 ? "cluster" : "external",
    ...((flags & FLAG_MAGLEV) === 0 ? {} : { algorithm: "maglev" as const }),
    ...((flags & FLAG_DSR) === 0 ? {} : { dsr: true }),
  };
}

/** Throws `RangeError` for a CIDR that is none. */
export function encodeSourceRange(range: SourceRange): Buffer {
  const bytes = Buffer.alloc(SOURCE_RANGE_KEY_BYTES);
  const { address, prefixBits } = parseCidr(range.cidr);
  bytes.writeUInt32LE(SERVICE_BITS + prefixBits, 0);
  bytes.writeUInt32LE(range.service, 4);
  address.copy(bytes, 8);
  return bytes;
}

export function decodeSourceRange(bytes: Buffer): SourceRange {
  const address = bytes.subarray(8, 8 + ADDRESS_BYTES);
  const bits = bytes.readUInt32LE(0) - SERVICE_BITS;
  return {
    service: bytes.readUInt32LE(4),
    cidr: `${formatAddress(address)}/${isMappedV4(address) && bits >= 96 ? bits - 96 : bits}`,
  };
}

/** One 64-bit word, so that it can be stored in one instruction. */
export function encodeSelection(selection: Selection): bigint {
  const { offset, count, generation } = selection;
  if (count < 0 || count > 0xffff) throw new RangeError(`a selection of ${count} backends exceeds 65535`);
  return BigInt(offset) | (BigInt(count) << 32n) | (BigInt(generation & 0xffff) << 48n);
}

export function decodeSelection(word: bigint): Selection {
  return {
    offset: Number(word & 0xffffffffn),
    count: Number((word >> 32n) & 0xffffn),
    generation: Number(word >> 48n),
  };
}

/** Writes all of `into`; throws `RangeError` for what is no backend. */
export function encodeBackend(backend: Backend, into = Buffer.alloc(BACKEND_BYTES)): Buffer {
  protocolOf(backend.protocol);
  writeAddress(backend.address, into);
  into.writeUInt16BE(backend.port, ADDRESS_BYTES);
  into.writeUInt8(backend.protocol, BACKEND_PROTOCOL_OFFSET);
  into.writeUInt8(backendFlags(backend.gone), BACKEND_FLAGS_OFFSET);
  return into;
}

export const backendFlags = (gone = false): number => (gone ? FLAG_GONE : 0);

/** Undefined for an absent backend. */
export function decodeBackend(bytes: Buffer): Backend | undefined {
  const protocol = bytes.readUInt8(BACKEND_PROTOCOL_OFFSET);
  if (protocol === 0) return undefined;
  return {
    address: formatAddress(bytes.subarray(0, ADDRESS_BYTES)),
    port: bytes.readUInt16BE(ADDRESS_BYTES),
    protocol: protocolOf(protocol),
    ...((bytes.readUInt8(BACKEND_FLAGS_OFFSET) & FLAG_GONE) === 0 ? {} : { gone: true }),
  };
}
