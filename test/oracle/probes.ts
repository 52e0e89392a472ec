// SPDX-License-Identifier: Apache-2.0
// Every question that a set of objects suggests, right ones and wrong ones.
import { clusterIps } from "./arbitrary-cluster.ts";
import type { Cluster, ServiceObject, ServicePortObject } from "./objects.ts";
import type { From, Probe } from "./probe.ts";
import { ASIDE, CLUSTER_CIDRS, HERE, PLACES } from "./topology.ts";
import { isIn } from "./wire/address.ts";
import { familyOf } from "./wire/frame.ts";

const FROM: readonly From[] = ["pod", "sandbox", "host", "outside"];

/** Clients outside, in and out of the source ranges; another node; a Pod of another node. */
const SOURCES = {
  4: ["192.0.2.7", "192.0.2.200", "198.51.100.9", "198.51.100.77", "203.0.113.200", "10.77.0.3", "10.244.2.9"],
  6: ["2001:db8:a::7", "2001:db8:b::7", "2001:db8:c::7", "fd00:77::3", "fd00:244:0:2::9"],
} as const;

export const sourceClass = (source: string | undefined): string =>
  source === undefined
    ? ""
    : CLUSTER_CIDRS.some((cidr) => isIn(source, cidr))
      ? " (a Pod of another node)"
      : PLACES.some(({ addresses }) => addresses.includes(source))
        ? " (another node)"
        : "";

const PROTOCOLS = { TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const;
const OTHER = { tcp: "udp", udp: "sctp", sctp: "tcp" } as const;

interface Destination {
  readonly address: string;
  readonly port: number;
  readonly target: string;
}

function destinations({ spec, status }: ServiceObject, port: ServicePortObject): Destination[] {
  const found: Destination[] = [];
  const add = (target: string, addresses: readonly string[], number = port.port): void => {
    for (const address of addresses) found.push({ address, port: number, target });
  };
  const own = (spec.clusterIPs ?? []).filter((ip) => ip !== "None");
  add("ClusterIP", own);
  add("ClusterIP, port not served", own, 1000 + port.port);
  add("external IP", spec.externalIPs ?? []);
  for (const { ip, ipMode } of status.loadBalancer.ingress ?? [])
    add(ipMode === "Proxy" ? "load balancer that is a proxy" : "load balancer", [ip]);
  if (port.nodePort === undefined) return found;
  add("NodePort", HERE.addresses, port.nodePort);
  add("NodePort aside", ASIDE, port.nodePort);
  add("NodePort of another node", PLACES[1].addresses, port.nodePort);
  add("NodePort on loopback", ["127.0.0.1"], port.nodePort);
  add("NodePort not allocated", HERE.addresses, port.nodePort + 5);
  return found;
}

const ask = (destination: Destination, protocol: Probe["protocol"]): Probe[] =>
  FROM.flatMap((from): Probe[] => {
    const { address, port, target } = destination;
    if (address === "127.0.0.1" && from !== "host") return [];
    if (PLACES[1].addresses.includes(address) && from === "outside") return [];
    if (from !== "outside") return [{ from, protocol, address, port, target }];
    return SOURCES[familyOf(address)].map((source) => ({ from, protocol, address, port, source, target }));
  });

/** All that could be asked; whoever asks takes a part of it. */
export function allProbes({ services }: Cluster): Probe[] {
  const probes = services.flatMap((service) =>
    service.spec.ports.flatMap((port) => {
      const protocol = PROTOCOLS[port.protocol];
      const other = OTHER[protocol];
      const all = destinations(service, port);
      const wrong = all
        .filter(({ target }) => target === "ClusterIP")
        .map((each) => ({ ...each, target: "other protocol" }));
      // A port number may be another Service port's too: the model knows, whatever the destination is called here.
      return [...all.flatMap((each) => ask(each, protocol)), ...wrong.flatMap((each) => ask(each, other))];
    }),
  );
  const nobody = clusterIps(200).map((address) => ({ address, port: 80, target: "ClusterIP not allocated" }));
  return [...probes, ...nobody.flatMap((each) => ask(each, "tcp"))];
}
