// SPDX-License-Identifier: Apache-2.0
// Which devices forward by XDP, in which mode, and what the programs may do with frames of each.
import type { Acceleration } from "../../core/acceleration.ts";
import { type Entries, encodeDevice } from "../../maps/node-layout.ts";
import { deviceFacts } from "./device-facts.ts";
import { xdpFeatures } from "./xdp-features.ts";

/** `enum bpf_attach_type`. */
export const XDP = 37;
export const DRIVER_MODE = 1 << 2;

/** Their frames may come from this machine, with checksums that are left to a device and that XDP would send as they are. */
const SOFTWARE_DRIVERS = ["veth", "tun"];

/** Why a device is not to be accelerated before it is even tried; undefined when it is. */
export function unsuitable(mode: Acceleration, device: string): string | undefined {
  if (mode !== "best-effort") return undefined;
  const { driver } = deviceFacts(device);
  return SOFTWARE_DRIVERS.includes(driver)
    ? `${driver} devices are served by tc, unless native is asked for`
    : undefined;
}

/** What `devices` holds for devices whose program is attached, by name to index. */
export function deviceEntries(attached: ReadonlyMap<string, number>): Entries {
  const entries = new Map<string, Buffer>();
  for (const [device, index] of attached) {
    const { mac, driver } = deviceFacts(device);
    const { basic, transmits } = xdpFeatures(index);
    const key = Buffer.alloc(4);
    key.writeUInt32LE(index, 0);
    // A veth device turns frames around only where its peer has a program, which is not told.
    entries.set(key.toString("hex"), encodeDevice({ mac, turns: basic && driver !== "veth", takes: transmits }));
  }
  return entries;
}
