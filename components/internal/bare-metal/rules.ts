// SPDX-License-Identifier: Apache-2.0
// The rules for the inputs of BareMetalCluster: each one a function that names the property, the value and the remedy.

import { isIP, isIPv6 } from "node:net";
import { type Cidr, contains, overlaps, parseCidr, subnetCount } from "../cidr.ts";
import type { InputProblem } from "../input-errors.ts";
import { canonicalVersion } from "../kubernetes-version.ts";
import type { PackageRepositoryArgs } from "./args.ts";
import type { Bundle } from "./bundle.ts";

/** Roles of a host. */
const hostRoles = ["control-plane", "worker"] as const;

/** The parts of a host that the rules look at; `undefined` where a value is not known yet. */
export interface HostFacts {
  readonly name: string;
  readonly role: string;
  readonly address: string | undefined;
  readonly ipv6Address: string | undefined;
  readonly ipv6AddressGiven: boolean;
  readonly port: number | undefined;
  readonly hostKey: string | undefined;
  readonly hostKeyGiven: boolean;
  readonly insecureIgnoreHostKey: boolean;
}

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];

const nodeMaskLength = { 4: 24, 6: 64 } as const;

export function clusterNameRule(name: string): InputProblem[] {
  if (/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/.test(name)) return [];
  return problem(
    "name",
    `"${name}" cannot name a cluster; use at most 40 lower-case letters, digits and dashes, starting and ending with a letter or digit.`,
  );
}

export function hostNameRule(path: string, host: HostFacts): InputProblem[] {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(host.name)) return [];
  return problem(
    `${path}.name`,
    `"${host.name}" cannot name a Node; use at most 63 lower-case letters, digits and dashes, starting and ending with a letter or digit.`,
  );
}

export function hostRoleRule(path: string, host: HostFacts): InputProblem[] {
  if (hostRoles.some((role) => role === host.role)) return [];
  return problem(`${path}.role`, `"${host.role}" is not a role; use "control-plane" or "worker".`);
}

/** "This host", loopback, link-local, and groups: of no address in them another host can be asked. */
const notAHosts = [
  ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"],
  ...["::/128", "::1/128", "fe80::/10", "ff00::/8"],
].flatMap((network) => parseCidr(network) ?? []);

export function addressRule(propertyPath: string, address: string): InputProblem[] {
  if (isIP(address) === 0) {
    return problem(
      propertyPath,
      `"${address}" is not an IP address, and a Node is known to the others by one; write the host's IPv4 or IPv6 address.`,
    );
  }
  if (!notAHosts.some((network) => contains(network, address))) return [];
  return problem(
    propertyPath,
    `"${address}" does not lead to this host from the others; write the address that they reach it by.`,
  );
}

const isDnsName = (text: string): boolean =>
  text.length <= 253 && /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/i.test(text);

/** What a connection goes to: the port is an input of its own. */
export function hostRule(propertyPath: string, host: string): InputProblem[] {
  if (isIP(host) !== 0 || isDnsName(host)) return [];
  return problem(propertyPath, `"${host}" is no host; write its name or address alone, without scheme and port.`);
}

export function dnsDomainRule(propertyPath: string, domain: string): InputProblem[] {
  if (isDnsName(domain) && domain === domain.toLowerCase()) return [];
  return problem(
    propertyPath,
    `"${domain}" is not a domain; write lower-case names with dots between them, such as "cluster.local".`,
  );
}

export function certSansRule(propertyPath: string, names: readonly string[]): InputProblem[] {
  return names.flatMap((name, index) =>
    isIP(name) !== 0 || isDnsName(name.replace(/^\*\./, ""))
      ? []
      : problem(
          `${propertyPath}[${index}]`,
          `"${name}" cannot stand in a certificate; write a name or an address alone.`,
        ),
  );
}

export function kernelVersionRule(propertyPath: string, version: string): InputProblem[] {
  if (/^\d+\.\d+(\.\d+)?$/.test(version)) return [];
  return problem(propertyPath, `"${version}" is not a version of a kernel; write one such as "6.6".`);
}

export function portRule(propertyPath: string, port: number): InputProblem[] {
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return [];
  return problem(propertyPath, `${port} is not a port; use a whole number from 1 to 65535.`);
}

export function hostKeyGivenRule(
  path: string,
  host: Pick<HostFacts, "hostKeyGiven" | "insecureIgnoreHostKey">,
): InputProblem[] {
  if (host.hostKeyGiven && host.insecureIgnoreHostKey) {
    return problem(
      `${path}.insecureIgnoreHostKey`,
      "is true although hostKey is given, so it is not clear whether the key counts; leave one of the two out.",
    );
  }
  if (host.hostKeyGiven || host.insecureIgnoreHostKey) return [];
  return problem(
    `${path}.hostKey`,
    "is missing, so another machine could answer in the host's place; give the key that ssh-keyscan prints on a trusted line (without the address), or waive the check with insecureIgnoreHostKey: true.",
  );
}

export function hostKeyRule(propertyPath: string, hostKey: string): InputProblem[] {
  if (/^(ssh-|ecdsa-sha2-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]{40,}=*( .*)?$/.test(hostKey.trim())) return [];
  return problem(
    propertyPath,
    `"${hostKey.slice(0, 40)}" is not a public host key; write its type and its base64 text, such as "ssh-ed25519 AAAAC3...", without an address before it.`,
  );
}

export function privateKeyRule(propertyPath: string, privateKey: string): InputProblem[] {
  if (/^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(privateKey.trim())) return [];
  return problem(
    propertyPath,
    "is not a private key in PEM or OpenSSH form (its value is not shown); give the content of the key's file, not its path, and not the public half.",
  );
}

export function uniqueHostsRule(hosts: readonly HostFacts[]): InputProblem[] {
  const seen = new Map<string, number>();
  return hosts.flatMap((host, index) =>
    (["name", "address", "ipv6Address"] as const).flatMap((property) => {
      const value = host[property];
      if (value === undefined) return [];
      const first = seen.get(value);
      if (first === undefined) seen.set(value, index);
      if (first === undefined || first === index) return [];
      return problem(
        `hosts[${index}].${property}`,
        `"${value}" is taken by hosts[${first}] already; give every host its own ${property}.`,
      );
    }),
  );
}

export function controlPlaneCountRule(hosts: readonly HostFacts[]): InputProblem[] {
  const count = hosts.filter((host) => host.role === "control-plane").length;
  if (count === 0) {
    return problem("hosts", 'has no control plane; give at least one host the role "control-plane".');
  }
  if (count % 2 === 1) return [];
  return problem(
    "hosts",
    `has ${count} control planes, and an even number bears no more failures than one fewer; use ${count - 1} or ${count + 1}.`,
  );
}

export function cidrListRule(property: string, texts: readonly string[]): InputProblem[] {
  if (texts.length === 0) return problem(property, 'is empty; give one network, such as ["10.244.0.0/16"].');
  const problems = texts.flatMap((text, index) =>
    parseCidr(text) === undefined
      ? problem(
          `${property}[${index}]`,
          `"${text}" is not a network in CIDR notation; write its first address and the length of its prefix, such as "10.244.0.0/16".`,
        )
      : [],
  );
  if (problems.length > 0) return problems;
  const families = familiesOf(texts).join();
  if (families === "4" || families === "4,6") return [];
  return problem(
    property,
    `${JSON.stringify(texts)} is neither one IPv4 network nor an IPv4 and then an IPv6 network; give exactly one IPv4 network, and after it one IPv6 network for a cluster of both families.`,
  );
}

const familiesOf = (texts: readonly string[]): number[] => parsed(texts).map(({ family }) => family);

/** True when the networks are of both families. */
export const isDualStack = (texts: readonly string[]): boolean => familiesOf(texts).includes(6);

export function sameFamiliesRule(podCidrs: readonly string[], serviceCidrs: readonly string[]): InputProblem[] {
  if (familiesOf(podCidrs).join() === familiesOf(serviceCidrs).join()) return [];
  return problem(
    "serviceCidrs",
    `${JSON.stringify(serviceCidrs)} and podCidrs ${JSON.stringify(podCidrs)} are not of the same address families; give both an IPv6 network, or neither.`,
  );
}

/** Whether the host has an IPv6 address exactly when the cluster needs one. */
export function ipv6AddressRule(path: string, host: HostFacts, dualStack: boolean): InputProblem[] {
  const { ipv6Address } = host;
  if (dualStack && !host.ipv6AddressGiven) {
    return problem(
      `${path}.ipv6Address`,
      "is missing although the cluster has an IPv6 pod network, so no node would know the way to this host's pods; give the host's IPv6 address, or leave the IPv6 networks out.",
    );
  }
  if (!dualStack && host.ipv6AddressGiven) {
    return problem(
      `${path}.ipv6Address`,
      "is given although the cluster has no IPv6 networks; leave it out, or add one to podCidrs and to serviceCidrs.",
    );
  }
  if (ipv6Address === undefined) return [];
  if (isIPv6(ipv6Address)) return addressRule(`${path}.ipv6Address`, ipv6Address);
  return problem(`${path}.ipv6Address`, `"${ipv6Address}" is not an IPv6 address; write one such as "fd00:10::21".`);
}

const parsed = (texts: readonly string[]): Cidr[] => texts.flatMap((text) => parseCidr(text) ?? []);

/** The controller manager refuses a network that holds more Nodes' networks than 2 to the power of this. */
const mostNodeBits = 16;

export function podCidrSizeRule(podCidrs: readonly string[], hostCount: number): InputProblem[] {
  return parsed(podCidrs).flatMap((network, index) => {
    const mask = nodeMaskLength[network.family];
    if (mask - network.prefixLength > mostNodeBits) {
      return problem(
        `podCidrs[${index}]`,
        `"${podCidrs[index]}" has more than 2^${mostNodeBits} networks of a /${mask}, which Kubernetes does not take; use a prefix of /${mask - mostNodeBits} or longer.`,
      );
    }
    const room = subnetCount(network, mask);
    if (room >= hostCount) return [];
    return problem(
      `podCidrs[${index}]`,
      `"${podCidrs[index]}" has room for ${room} Nodes of a /${mask} each and there are ${hostCount} hosts; use a larger network, such as "10.244.0.0/16".`,
    );
  });
}

export function serviceCidrSizeRule(serviceCidrs: readonly string[]): InputProblem[] {
  return parsed(serviceCidrs).flatMap((network, index) => {
    const bits = (network.family === 4 ? 32 : 128) - network.prefixLength;
    if (bits >= 4 && bits <= 20) return [];
    return problem(
      `serviceCidrs[${index}]`,
      `"${serviceCidrs[index]}" has 2^${bits} addresses, and Kubernetes takes 2^4 to 2^20; use a prefix of /12 to /28 (IPv6: /108 to /124).`,
    );
  });
}

export function cidrOverlapRule(podCidrs: readonly string[], serviceCidrs: readonly string[]): InputProblem[] {
  return parsed(serviceCidrs).flatMap((service, index) => {
    const pods = parsed(podCidrs).findIndex((pod) => overlaps(pod, service));
    if (pods === -1) return [];
    return problem(
      `serviceCidrs[${index}]`,
      `"${serviceCidrs[index]}" overlaps podCidrs[${pods}] "${podCidrs[pods]}"; choose networks that share no address.`,
    );
  });
}

export function addressOutsideCidrsRule(
  propertyPath: string,
  address: string,
  podCidrs: readonly string[],
  serviceCidrs: readonly string[],
): InputProblem[] {
  const clash = (property: string, texts: readonly string[]): InputProblem[] =>
    parsed(texts).flatMap((network, index) =>
      contains(network, address)
        ? problem(
            propertyPath,
            `"${address}" lies in ${property}[${index}] "${texts[index]}", so the Node could not be told from what is in there; choose another network for ${property}.`,
          )
        : [],
    );
  return [...clash("podCidrs", podCidrs), ...clash("serviceCidrs", serviceCidrs)];
}

export function bundleVersionRule(bundle: Bundle, version: string): InputProblem[] {
  if (canonicalVersion(bundle.kubernetesVersion) === canonicalVersion(version)) return [];
  return problem(
    "kubernetesVersion",
    `is ${canonicalVersion(version)} and the bundle in ${bundle.folder} holds ${canonicalVersion(bundle.kubernetesVersion)}; set kubernetesVersion to that, or make the bundle again.`,
  );
}

export function packageRepositoryRule(
  propertyPath: string,
  repository: PackageRepositoryArgs | undefined,
  bundlePath: string | undefined,
): InputProblem[] {
  if (repository === undefined) return [];
  if (bundlePath !== undefined) {
    return problem(propertyPath, "is given beside bundlePath, and hosts take their programs from one; leave one out.");
  }
  const problems: InputProblem[] = [];
  if (!/^https?:\/\/[^\s"'/]+(\/[^\s"']*)?$/.test(repository.url)) {
    const reason = `"${repository.url}" is not the address of a package repository; write it like "https://packages.example/kubernetes/v1.36/deb".`;
    problems.push({ propertyPath: `${propertyPath}.url`, reason });
  }
  if (!/^[0-9A-Fa-f]{40}$/.test(repository.keyFingerprint.replaceAll(" ", ""))) {
    const reason = `"${repository.keyFingerprint}" is not the fingerprint of a key; write the 40 hexadecimal digits that "gpg --show-keys Release.key" prints.`;
    problems.push({ propertyPath: `${propertyPath}.keyFingerprint`, reason });
  }
  return problems;
}
