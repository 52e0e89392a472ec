// SPDX-License-Identifier: Apache-2.0
// Reads a Service's loadBalancerSourceRanges: which networks may use its load balancer addresses, per IP family.

import { type Cidr, type IpFamily, parseCidr } from "./ip-address.ts";
import { objectKey, type Service } from "./kubernetes-objects.ts";
import type { Problem } from "./problem.ts";

/** `all`: anybody may. `invalid`: the Service asks for a restriction that cannot be understood, so nobody is served. */
export type SourceRanges = "all" | "invalid" | readonly string[];

/**
 * As kube-proxy reads them: white space is ignored, a range of all addresses lifts the restriction of its family, and so
 * does a list without any range of a family. Unlike there, a range that is none closes its Service instead of opening it.
 */
export function sourceRangesOf(service: Service, problems: Problem[]): Record<IpFamily, SourceRanges> {
  const cidrs: Cidr[] = [];
  for (const raw of service.loadBalancerSourceRanges) {
    const cidr = parseCidr(raw.trim());
    if (cidr) {
      cidrs.push(cidr);
      continue;
    }
    const message = `Service ${objectKey(service)}: its load balancer addresses are not served, because its source range "${raw}" is no network; correct it.`;
    problems.push({ service: objectKey(service), reason: "SourceRangesInvalid", message });
    return { 4: "invalid", 6: "invalid" };
  }
  const ofFamily = (family: IpFamily): SourceRanges => {
    const own = cidrs.filter((cidr) => cidr.family === family);
    if (own.length === 0 || own.some(({ prefixBits }) => prefixBits === 0)) return "all";
    return [...new Set(own.map(({ text }) => text))].sort();
  };
  return { 4: ofFamily(4), 6: ofFamily(6) };
}
