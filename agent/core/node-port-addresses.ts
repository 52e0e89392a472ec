// SPDX-License-Identifier: Apache-2.0
// At which addresses of nodes NodePorts are served.

import { contains, parseCidr, parseIp } from "./ip-address.ts";

/** Those of `addresses` that lie in one of `cidrs`; all of them where there is none. */
export function nodePortAddresses(addresses: readonly string[], cidrs: readonly string[]): readonly string[] {
  if (cidrs.length === 0) return addresses;
  const networks = cidrs.flatMap((text) => parseCidr(text) ?? []);
  return addresses.filter((text) => {
    const address = parseIp(text);
    return address !== undefined && networks.some((network) => contains(network, address));
  });
}
