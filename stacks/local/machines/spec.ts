// SPDX-License-Identifier: Apache-2.0
// Checks what is asked for: one machine, or the network of a stack, as JSON from outside.

import { isIPv4, isIPv6 } from "node:net";

export interface BridgeSpec {
  /** Link name on the box, at most 15 characters. */
  readonly name: string;
  /** Subnet of the machines; the box holds its first address. */
  readonly cidr: string;
  /** IPv6 subnet of the machines, a /64 of which the box holds the first address; none without it. */
  readonly ipv6Cidr?: string;
}

export interface NetworkSpec {
  readonly stack: string;
  readonly bridge: BridgeSpec;
}

export interface MachineSpec extends NetworkSpec {
  readonly name: string;
  readonly address: string;
  /** Given exactly when the bridge has an IPv6 subnet. */
  readonly ipv6Address?: string;
  readonly memoryMb: number;
  /** How many CPUs' worth of time the machine may use; all of the box without it. */
  readonly cpus?: number;
  readonly authorizedKey: string;
}

export interface Subnet {
  readonly network: number;
  readonly prefixLength: number;
  /** First address: the box's own. */
  readonly gateway: string;
}

/** A property that breaks a rule; says which, its value, the rule and the remedy. */
class SpecError extends Error {
  override readonly name = "SpecError";

  constructor(property: string, value: unknown, rule: string) {
    super(`machine specification: \`${property}\` is ${JSON.stringify(value) ?? "missing"}, but ${rule}`);
  }
}

const nameRule = /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/;

export function parseNetworkSpec(text: string): NetworkSpec {
  return checkNetwork(parseObject(text, ["stack", "bridge"]));
}

export function parseMachineSpec(text: string): MachineSpec {
  const raw = parseObject(text, [
    "stack",
    "bridge",
    "name",
    "address",
    "ipv6Address",
    "memoryMb",
    "cpus",
    "authorizedKey",
  ]);
  const network = checkNetwork(raw);
  const subnet = parseSubnet("bridge.cidr", network.bridge.cidr);
  return {
    ...network,
    name: checkName("name", raw.name),
    address: checkAddress(raw.address, subnet),
    ...checkIpv6Address(raw.ipv6Address, network.bridge.ipv6Cidr),
    memoryMb: checkNumber("memoryMb", raw.memoryMb, 256, "it has to be a whole number of MiB, 256 or more."),
    ...(raw.cpus === undefined
      ? {}
      : { cpus: checkNumber("cpus", raw.cpus, 1, "it has to be a whole number of CPUs, 1 or more.") }),
    authorizedKey: checkKey(raw.authorizedKey),
  };
}

/** Reads `a.b.c.d/n`; the bits outside the prefix have to be zero. */
export function parseSubnet(property: string, value: unknown): Subnet {
  const rule = "it has to be an IPv4 subnet such as 10.89.0.0/24, with room for machines (/8 to /29).";
  const [address, length, ...rest] = typeof value === "string" ? value.split("/") : [];
  if (address === undefined || length === undefined || rest.length > 0) throw new SpecError(property, value, rule);
  const prefixLength = /^\d{1,2}$/.test(length) ? Number(length) : -1;
  if (!isIPv4(address) || prefixLength < 8 || prefixLength > 29) throw new SpecError(property, value, rule);
  const network = toNumber(address);
  if (network % 2 ** (32 - prefixLength) !== 0) throw new SpecError(property, value, rule);
  return { network, prefixLength, gateway: toAddress(network + 1) };
}

export function checkName(property: string, value: unknown): string {
  if (typeof value === "string" && nameRule.test(value)) return value;
  throw new SpecError(property, value, "it has to be 1 to 32 lower-case letters, digits and dashes, a letter first.");
}

function checkNetwork(raw: Record<string, unknown>): NetworkSpec {
  const bridge = raw.bridge;
  if (typeof bridge !== "object" || bridge === null) {
    throw new SpecError("bridge", bridge, "it has to be an object with `name` and `cidr`.");
  }
  const { name, cidr, ipv6Cidr } = bridge as Record<string, unknown>;
  if (typeof name !== "string" || !/^[a-z][a-z0-9-]{0,14}$/.test(name)) {
    throw new SpecError("bridge.name", name, "a link name has 1 to 15 lower-case letters, digits and dashes.");
  }
  parseSubnet("bridge.cidr", cidr);
  const ipv6 = ipv6Cidr === undefined ? {} : { ipv6Cidr: parseIpv6Subnet("bridge.ipv6Cidr", ipv6Cidr).cidr };
  return { stack: checkName("stack", raw.stack), bridge: { name, cidr: cidr as string, ...ipv6 } };
}

export interface Ipv6Subnet {
  readonly cidr: string;
  /** First address: the box's own. */
  readonly gateway: string;
}

/** Reads `a:b:c:d::/64`. */
export function parseIpv6Subnet(property: string, value: unknown): Ipv6Subnet {
  const [address = "", length] = typeof value === "string" ? value.split("/") : [];
  if (typeof value !== "string" || !isIPv6(address) || !address.endsWith("::") || length !== "64") {
    throw new SpecError(property, value, "it has to be an IPv6 subnet of 64 bits such as fd00:10:89:0::/64.");
  }
  return { cidr: value, gateway: `${address}1` };
}

function checkIpv6Address(value: unknown, cidr: string | undefined): { ipv6Address?: string } {
  if (cidr === undefined && value === undefined) return {};
  const prefix = cidr?.replace("/64", "");
  const rule =
    prefix === undefined
      ? "bridge.ipv6Cidr is missing: give both or neither."
      : `it has to be an IPv6 address that begins with ${prefix} and is not ${prefix}1, which the box holds itself.`;
  if (typeof value !== "string" || !isIPv6(value) || prefix === undefined || !value.startsWith(prefix)) {
    throw new SpecError("ipv6Address", value, rule);
  }
  if (value === `${prefix}1`) throw new SpecError("ipv6Address", value, rule);
  return { ipv6Address: value };
}

function checkAddress(value: unknown, subnet: Subnet): string {
  const rule = `it has to be an IPv4 address of bridge.cidr after ${subnet.gateway}, which the box holds itself.`;
  if (typeof value !== "string" || !isIPv4(value)) throw new SpecError("address", value, rule);
  const offset = toNumber(value) - subnet.network;
  if (offset < 2 || offset >= 2 ** (32 - subnet.prefixLength) - 1) throw new SpecError("address", value, rule);
  return value;
}

function checkKey(value: unknown): string {
  if (typeof value === "string" && /^ssh-ed25519 [A-Za-z0-9+/]{68}( [^\n]*)?\n?$/.test(value)) return value.trim();
  throw new SpecError("authorizedKey", value, 'it has to be one public key line, "ssh-ed25519 AAAA...".');
}

function checkNumber(property: string, value: unknown, least: number, rule: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= least) return value;
  throw new SpecError(property, value, rule);
}

function parseObject(text: string, known: readonly string[]): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("machine specification: stdin is not JSON; give one object on stdin.");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("machine specification: stdin is not a JSON object.");
  }
  for (const [property, given] of Object.entries(value)) {
    if (!known.includes(property)) throw new SpecError(property, given, `only ${known.join(", ")} are known here.`);
  }
  return value as Record<string, unknown>;
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}
