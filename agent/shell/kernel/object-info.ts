// SPDX-License-Identifier: Apache-2.0
// What the kernel says about a map, a program or a link that we hold a descriptor of.
import koffi from "koffi";
import type { MapShape } from "../../maps/map-table.ts";
import { objectInfo } from "./syscall.ts";

export interface MapInfo extends MapShape {
  readonly id: number;
}

export function mapInfo(what: string, fd: number): MapInfo {
  const info = objectInfo(what, fd, 40);
  return {
    type: info.readUInt32LE(0),
    id: info.readUInt32LE(4),
    keyBytes: info.readUInt32LE(8),
    valueBytes: info.readUInt32LE(12),
    entries: info.readUInt32LE(16),
    flags: info.readUInt32LE(20),
  };
}

export interface ProgramInfo {
  readonly id: number;
  /** A hash of the instructions, without the maps they refer to. */
  readonly tag: string;
  readonly mapIds: readonly number[];
  /** Instructions that the verifier walked. */
  readonly verifiedInstructions: number;
}

const MAX_MAPS = 64;

export function programInfo(what: string, fd: number): ProgramInfo {
  const ids = Buffer.alloc(MAX_MAPS * 4);
  const info = objectInfo(what, fd, 224, (request) => {
    request.writeUInt32LE(MAX_MAPS, 52);
    request.writeBigUInt64LE(koffi.address(ids), 56);
  });
  const count = Math.min(info.readUInt32LE(52), MAX_MAPS);
  return {
    id: info.readUInt32LE(4),
    tag: info.subarray(8, 16).toString("hex"),
    mapIds: Array.from({ length: count }, (_, index) => ids.readUInt32LE(index * 4)).sort((a, b) => a - b),
    verifiedInstructions: info.readUInt32LE(216),
  };
}

export interface LinkInfo {
  readonly id: number;
  readonly programId: number;
  /** Of a cgroup link: the cgroup's id, 0 when it is gone. */
  readonly cgroupId: bigint;
  /** Of a tcx or XDP link: the device's index, 0 when it is gone. */
  readonly deviceIndex: number;
}

export function linkInfo(what: string, fd: number): LinkInfo {
  const info = objectInfo(what, fd, 32);
  return {
    id: info.readUInt32LE(4),
    programId: info.readUInt32LE(8),
    cgroupId: info.readBigUInt64LE(16),
    deviceIndex: info.readUInt32LE(16),
  };
}
