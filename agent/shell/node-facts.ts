// SPDX-License-Identifier: Apache-2.0
// Finds out about the machine itself: which devices face the network, their addresses and MTU, and whether it forwards.

import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { parseIp } from "../core/ip-address.ts";
import { errorText } from "./log.ts";
import { type RunIp, runIp } from "./run-ip.ts";

/** This machine is not set up as the agent needs it; trying again alone does not help. */
class PreconditionError extends Error {
  override readonly name = "PreconditionError";
}

export interface Interface {
  readonly name: string;
  readonly addresses: readonly string[];
}

/** Interfaces that are up, without link-local addresses. */
export function interfaces(): Interface[] {
  return Object.entries(networkInterfaces()).map(([name, addresses]) => ({
    name,
    addresses: (addresses ?? [])
      .map(({ address }) => address)
      .filter((address) => !/^fe[89ab]/i.test(address))
      .flatMap((address) => parseIp(address)?.text ?? []),
  }));
}

/**
 * The devices whose packets the programs see: those asked for (a trailing `+` matches any rest), otherwise the one that
 * holds the node's address and the one of the default route.
 */
export function chooseDevices(
  present: readonly Interface[],
  asked: readonly string[],
  nodeAddresses: readonly string[],
  defaultRouteDevice: string | undefined,
): string[] {
  const names = present.map(({ name }) => name);
  if (asked.length > 0) {
    const matches = (pattern: string) =>
      names.filter((name) => (pattern.endsWith("+") ? name.startsWith(pattern.slice(0, -1)) : name === pattern));
    const missing = asked.filter((pattern) => matches(pattern).length === 0);
    if (missing.length > 0)
      throw new PreconditionError(
        `devices: no interface of this node matches ${missing.join(", ")} (it has ${names.join(", ")}); correct the value or leave it out`,
      );
    return [...new Set(asked.flatMap(matches))].sort();
  }
  const chosen = new Set<string>();
  for (const { name, addresses } of present)
    if (addresses.some((address) => nodeAddresses.includes(address))) chosen.add(name);
  if (defaultRouteDevice !== undefined) chosen.add(defaultRouteDevice);
  chosen.delete("lo");
  if (chosen.size === 0)
    throw new PreconditionError(
      `no interface holds a node address (${nodeAddresses.join(", ")}) and there is no default route; set the value devices`,
    );
  return [...chosen].sort();
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
  if (sizes.length !== devices.length) throw new Error(`the devices ${devices.join(", ")} are not all there any more`);
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
