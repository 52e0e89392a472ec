// SPDX-License-Identifier: Apache-2.0
// Resolves the test Service's name: as the pod's own resolver does, or by asking the cluster DNS Service directly.
import { lookup, Resolver } from "node:dns/promises";
import type { Origin } from "../checks.ts";
import type { ProbeTargets } from "../targets.ts";
import type { Attempt } from "./retry.ts";

const QUERY_TIMEOUT_MS = 2_000;

/** libc's resolver with the pod's resolv.conf; it cannot be cancelled, so a slow answer is left behind. */
const resolveAsPod = async (name: string, family: 4 | 6): Promise<readonly string[]> => {
  const slow = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("no answer within 12 s")), 12_000).unref();
  });
  // The final dot keeps the search domains out: theirs are other names, which may be asked of servers elsewhere.
  const absolute = name.includes(".") ? `${name}.` : name;
  return [(await Promise.race([lookup(absolute, { family }), slow])).address];
};

/** `NAME.NAMESPACE.svc` in the DNS domain that the kubelet tells its Pods: "search NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN". */
export const inClusterDomain = (name: string, resolvConf: string): string => {
  const domain = /^search.*\ssvc\.(\S+?)\.?(?:\s|$)/m.exec(resolvConf)?.[1];
  return `${name}.${domain ?? "cluster.local"}`;
};

/** From the host the Service address of the cluster DNS is asked: what is tried there is the way to it. */
const resolveAt = async (server: string, name: string, family: 4 | 6): Promise<readonly string[]> => {
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: 2 });
  resolver.setServers([server]);
  return family === 4 ? resolver.resolve4(name) : resolver.resolve6(name);
};

export const checkDns = async (origin: Origin, { server, name, addresses }: ProbeTargets["dns"]): Promise<Attempt> => {
  const via = origin === "pod" ? "the pod's resolv.conf" : `cluster DNS at ${server}`;
  try {
    for (const address of addresses) {
      const family = address.includes(":") ? 6 : 4;
      const found = origin === "pod" ? await resolveAsPod(name, family) : await resolveAt(server, name, family);
      if (found.includes(address)) continue;
      return {
        passed: false,
        observed: `${name} resolves to ${found.join(", ")} instead of ${address}, by ${via}`,
      };
    }
    return { passed: addresses.length > 0, observed: `${name} is ${addresses.join(" and ") || "nowhere"}, by ${via}` };
  } catch (error) {
    return { passed: false, observed: `${name} does not resolve by ${via}: ${(error as Error).message}` };
  }
};
