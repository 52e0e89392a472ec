// SPDX-License-Identifier: Apache-2.0
// Where an implementation differs from the reference, and why that is meant to be: everything else is a failure.
import { NO_INTERNAL_ENDPOINT_HERE, NO_RANGE_OF_FAMILY } from "./model.ts";
import type { Expected, Observed, Probe } from "./probe.ts";
import type { ProxyName } from "./proxy.ts";
import { CLUSTER_CIDRS, SERVICE_CIDRS } from "./topology.ts";
import { isIn } from "./wire/address.ts";

export interface Difference {
  readonly proxy: ProxyName;
  readonly probe: Probe;
  readonly expected: Expected;
  readonly observed: Observed;
}

export interface KnownDifference {
  readonly proxies: readonly ProxyName[];
  readonly what: string;
  readonly why: string;
  covers(difference: Difference): boolean;
  /** What such a proxy is held to in place of what the reference asks; where it is left out, nothing is. */
  readonly instead?: (expected: Expected) => Expected | undefined;
}

const wholly = (observed: Observed, ...kinds: readonly string[]): boolean =>
  observed.every(({ kind }) => kinds.includes(kind));

const isClusterIp = ({ address }: Probe): boolean => SERVICE_CIDRS.some((cidr) => isIn(address, cidr));

const knownDifferences: readonly KnownDifference[] = [
  {
    proxies: ["ours"],
    what: "internalTrafficPolicy Local without an endpoint here refuses clients of this node instead of dropping them",
    why: "a hook at connect() can refuse, not lose a packet; the page on internal traffic policy asks for the behaviour of a Service without endpoints, which is this",
    covers: ({ probe, expected, observed }) =>
      probe.from !== "outside" && expected.because === NO_INTERNAL_ENDPOINT_HERE && wholly(observed, "refused"),
  },
  {
    proxies: ["iptables", "nftables"],
    what: "a ClusterIP is served to packets from outside as well",
    why: "kube-proxy looks at no packet's origin; a ClusterIP is meant for the cluster, and ours is served to nobody else",
    covers: ({ probe, expected }) => isClusterIp(probe) && expected.ifServed !== undefined,
    instead: ({ ifServed }) => ifServed,
  },
  {
    proxies: ["iptables", "nftables"],
    what: "where no range of --nodeport-addresses is of a family, NodePorts answer at all its addresses",
    why: "kube-proxy takes the ranges of each family by themselves, and none as no restriction; its documentation restricts to the ranges, and so does ours",
    covers: ({ expected: { because } }) => because.endsWith(NO_RANGE_OF_FAMILY),
    instead: ({ ifServed }) => ifServed,
  },
  {
    proxies: ["iptables"],
    what: "a NodePort without endpoints, or without one here under Local, is refused or dropped outside --nodeport-addresses, too",
    why: "the iptables mode's rules for what has no endpoints look for any address of the node, and only those that lead to endpoints for the ranges; a Pod's own packets meet them as well",
    covers: ({ probe, expected: { ifServed }, observed }) =>
      !isClusterIp(probe) && ifServed !== undefined && wholly(observed, "refused", "dropped"),
    instead: ({ ifServed }) => (ifServed?.backends.length === 0 ? ifServed : undefined),
  },
  {
    proxies: ["nftables"],
    what: "a port of a ClusterIP that no Service has is refused",
    why: "the nftables mode answers for all of an address it serves, as an extra of its own; the other proxies leave it to the network",
    covers: ({ probe, expected, observed }) =>
      isClusterIp(probe) && expected.verdicts.includes("untouched") && wholly(observed, "refused"),
  },
  {
    proxies: ["iptables"],
    what: "NodePorts answer on 127.0.0.1",
    why: "a relic of the iptables mode that needs route_localnet (CVE-2020-8558); the nftables mode and ours leave the loopback alone",
    covers: ({ probe: { address } }) => address === "127.0.0.1",
  },
  {
    proxies: ["iptables"],
    what: "the host's own packets to an external address without endpoints go out as they are",
    why: "the iptables mode refuses external addresses where packets come in or pass through, not where the host's own leave",
    covers: ({ probe, expected, observed }) =>
      probe.from === "host" &&
      ["external IP", "load balancer"].includes(probe.target) &&
      expected.verdicts.includes("refused") &&
      wholly(observed, "untouched"),
  },
  {
    proxies: ["iptables", "nftables"],
    what: "source ranges drop the host's own packets, too",
    why: "the API restricts the clients of the load balancer; the node is none, and ours lets it reach what it serves",
    covers: ({ probe, expected, observed }) => expected.ranged && probe.from === "host" && wholly(observed, "dropped"),
  },
  {
    proxies: ["iptables", "nftables"],
    what: "a Pod of another node that asks at this node's NodePort is given every endpoint under externalTrafficPolicy Local",
    why: "kube-proxy goes by the Pod's address; the API says that who sends to a NodePort takes the policy into account",
    covers: ({ probe: { from, source = "", target }, expected }) =>
      from === "outside" &&
      ["NodePort", "NodePort aside"].includes(target) &&
      expected.because.includes("Local") &&
      CLUSTER_CIDRS.some((cidr) => isIn(source, cidr)),
  },
];

export const knownDifference = (difference: Difference): KnownDifference | undefined =>
  knownDifferences.find((known) => known.proxies.includes(difference.proxy) && known.covers(difference));
