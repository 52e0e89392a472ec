// SPDX-License-Identifier: Apache-2.0
// Finds out about the machine itself: which devices face the network, their addresses and MTU, and whether it forwards.

import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { parseIp } from "../core/ip-address.ts";
import { errorText } from "./log.ts";
import { type RunIp, runIp } from "./run-ip.ts";

/** This machine is not set up as the agent needs it; trying again alone does not help. */
export class PreconditionError extends Error {
  override readonly name = "PreconditionError";
}

export interface Interface {
  readonly name: string;
  readonly addresses: readonly string[];
}

/** Network devices as this process's network namespace has them; /sys may show another's. */
export function presentDevices(procNet = "/proc/net"): Set<string> {
  const lines = readFileSync(`${procNet}/dev`, "utf8").trim().split("\n").slice(2);
  return new Set(lines.map((line) => line.slice(0, line.lastIndexOf(":")).trim()));
}

/** All there are, without link-local addresses; one that is down or has no carrier shows no address. */
export function interfaces(): Interface[] {
  const shown = Object.entries(networkInterfaces());
  return [...presentDevices()].map((name) => ({
    name,
    // An address with a label goes by `eth0:label`.
    addresses: shown
      .flatMap(([label, addresses = []]) => (label.split(":", 1)[0] === name ? addresses : []))
      .map(({ address }) => address)
      .filter((address) => !/^fe[89ab]/i.test(address))
      .flatMap((address) => parseIp(address)?.text ?? []),
  }));
}

/** The device of the IPv4 default route with the lowest metric. */
export function defaultRouteDevice(procNet = "/proc/net"): string | undefined {
  const lines = readFileSync(`${procNet}/route`, "utf8").trim().split("\n").slice(1);
  const defaults = lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , , , , , mask]) => destination === "00000000" && mask === "00000000")
    .sort((a, b) => Number(a[6]) - Number(b[6]));
  return defaults[0]?.[0];
}

/** The smallest MTU of the devices: what a pod's packet may have without being fragmented on the way. */
export async function smallestMtu(devices: readonly string[], run: RunIp = runIp): Promise<number> {
  // Not from /sys, which may show another network namespace's devices.
  const links = JSON.parse(await run(["-j", "link", "show"])) as { readonly ifname: string; readonly mtu: number }[];
  const sizes = links.filter(({ ifname }) => devices.includes(ifname)).map(({ mtu }) => mtu);
  if (sizes.length === 0 || sizes.length !== devices.length)
    throw new Error(`the devices ${devices.join(", ") || "of the node"} are not all there any more`);
  return Math.min(...sizes);
}

/** A node carries other machines' packets: pods'. The agent's container may not set this, so it says what is missing. */
export async function checkForwarding(procSys = "/proc/sys"): Promise<void> {
  const path = `${procSys}/net/ipv4/ip_forward`;
  let value: string;
  try {
    value = (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw new PreconditionError(`cannot read ${path}: ${errorText(error)}`);
  }
  if (value !== "1")
    throw new PreconditionError(
      "net.ipv4.ip_forward is 0, so this node drops its pods' packets; set net.ipv4.ip_forward=1 in /etc/sysctl.d on the node",
    );
}

/** The CNI plugins that are not in this folder. */
export const missingPlugins = (plugins: readonly string[], binPath: string): string[] =>
  plugins.filter((plugin) => !existsSync(`${binPath}/${plugin}`));

/** Devices whose strict reverse path filter may drop answers that come back another way. */
export function strictReversePathDevices(devices: readonly string[], procSys = "/proc/sys"): string[] {
  const read = (name: string) => Number(readFileSync(`${procSys}/net/ipv4/conf/${name}/rp_filter`, "utf8"));
  return devices.filter((device) => Math.max(read("all"), read(device)) === 1);
}
