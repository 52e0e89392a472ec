// SPDX-License-Identifier: Apache-2.0
// Makes and removes the network of a stack: one bridge on the box, which holds the first address of the subnet.

import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../host/exec.ts";
import { machinesRoot } from "../host/paths.ts";
import { rememberBoxSettings, restoreBoxSettings } from "./box-settings.ts";
import { removeEmptyCgroups } from "./cgroups.ts";
import { type NetworkSpec, parseIpv6Subnet, parseSubnet } from "./spec.ts";

export interface Network {
  readonly stack: string;
  readonly bridge: string;
  readonly cidr: string;
  readonly gateway: string;
}

interface Link {
  readonly ifname: string;
  readonly ifalias?: string;
  readonly master?: string;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly { readonly local: string; readonly prefixlen: number; readonly family: string }[];
}

/** Marks a link as ours, so that nobody else's bridge is ever taken over or removed. */
const aliasOf = (stack: string): string => `sansproxy stack ${stack}`;

/** Makes the bridge, or completes it; a link of the same name that is not ours is refused. */
export async function createNetwork(spec: NetworkSpec): Promise<Network> {
  const { stack, bridge } = spec;
  const subnet = parseSubnet("bridge.cidr", bridge.cidr);
  const existing = await link(bridge.name);
  if (existing !== undefined && !(await isOurs(stack, existing))) {
    throw new Error(
      `Link ${bridge.name} exists on this box and is not the bridge of stack ${stack}: ` +
        "choose another bridge name in the stack's configuration, or remove that link.",
    );
  }
  if (existing === undefined) await refuseOverlap(spec, subnet.network, subnet.prefixLength);
  await rememberBoxSettings();
  // The record comes first: it tells whose the bridge is when the next step is interrupted.
  await mkdir(join(machinesRoot, stack), { recursive: true, mode: 0o700 });
  await writeFile(recordFile(stack), JSON.stringify({ bridge: bridge.name, cidr: bridge.cidr }));
  if (existing === undefined) await run("ip", ["link", "add", bridge.name, "type", "bridge"]);
  await run("ip", ["link", "set", bridge.name, "alias", aliasOf(stack)]);
  const address = `${subnet.gateway}/${subnet.prefixLength}`;
  await run("ip", ["address", "replace", address, "dev", bridge.name]);
  if (bridge.ipv6Cidr !== undefined) {
    const { gateway } = parseIpv6Subnet("bridge.ipv6Cidr", bridge.ipv6Cidr);
    await run("ip", ["address", "replace", `${gateway}/64`, "dev", bridge.name, "nodad"]);
  }
  await run("ip", ["link", "set", bridge.name, "up"]);
  return { stack, bridge: bridge.name, cidr: bridge.cidr, gateway: subnet.gateway };
}

/** Removes the bridge when it is there and ours. */
export async function deleteNetwork(stack: string, bridge: string): Promise<void> {
  const existing = await link(bridge);
  if (existing !== undefined && (await isOurs(stack, existing))) {
    // A machine's link outlives its processes until the kernel has taken its network down.
    for (const { ifname, master } of await links()) if (master === bridge) await deleteLink(ifname);
    await run("ip", ["link", "delete", bridge]);
  }
  await rm(recordFile(stack), { force: true });
  if (existsSync(join(machinesRoot, stack)) && (await readdir(join(machinesRoot, stack))).length === 0) {
    await rmdir(join(machinesRoot, stack));
  }
  for (const name of [`sansproxy/${stack}`, "sansproxy"]) await removeEmptyCgroups(name);
  await restoreBoxSettings();
}

/** Names of all bridges of a stack, also of one whose record was lost. */
export async function bridgesOf(stack: string): Promise<string[]> {
  const names: string[] = [];
  for (const found of await links()) if (await isOurs(stack, found)) names.push(found.ifname);
  return names;
}

/** Marked as ours, or recorded as ours and not marked yet. */
async function isOurs(stack: string, found: Link): Promise<boolean> {
  if (found.ifalias !== undefined) return found.ifalias === aliasOf(stack);
  if (!existsSync(recordFile(stack))) return false;
  return (JSON.parse(await readFile(recordFile(stack), "utf8")) as { bridge: string }).bridge === found.ifname;
}

/** Deletes a link that may go by itself at the same moment. */
async function deleteLink(name: string): Promise<void> {
  try {
    await run("ip", ["link", "delete", name]);
  } catch (error) {
    if ((await link(name)) !== undefined) throw error;
  }
}

const recordFile = (stack: string): string => join(machinesRoot, stack, "network.json");

async function links(): Promise<Link[]> {
  return JSON.parse(await run("ip", ["-json", "-details", "address", "show"])) as Link[];
}

async function link(name: string): Promise<Link | undefined> {
  return (await links()).find((found) => found.ifname === name);
}

/** An address of the box inside the subnet would make the machines unreachable, or the box's own network. */
async function refuseOverlap(spec: NetworkSpec, network: number, prefixLength: number): Promise<void> {
  for (const found of await links()) {
    for (const address of found.addr_info ?? []) {
      if (address.family !== "inet") continue;
      const shared = 2 ** (32 - Math.min(prefixLength, address.prefixlen));
      const other = address.local.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
      if (Math.floor(other / shared) === Math.floor(network / shared)) {
        throw new Error(
          `The machines' subnet ${spec.bridge.cidr} overlaps ${address.local}/${address.prefixlen} on link ` +
            `${found.ifname} of this box: choose another subnet in the stack's configuration.`,
        );
      }
    }
  }
}
