// SPDX-License-Identifier: Apache-2.0
// Random cluster objects that an API server would accept, and that its controllers could have made.
import fc from "fast-check";
import { arbitrarySlices } from "./arbitrary-slices.ts";
import { type Cluster, HEADLESS, PROXY_NAME, type ServiceObject, type ServicePortObject } from "./objects.ts";

const MOST_SERVICES = 8;
export const NAMESPACE = "default";

/** Addresses and ports by the Service's index, so that no two Services of one set ask for the same. */
export const clusterIps = (index: number) =>
  [`10.96.0.${10 + index}`, `fd00:96::${(16 + index).toString(16)}`] as const;
const externalIps = (index: number) => [`203.0.113.${10 + index}`, `2001:db8:113::${16 + index}`] as const;
const balancerIps = (index: number) => [`198.18.0.${10 + index}`, `2001:db8:18::${16 + index}`] as const;

const weighted = <T>(...choices: readonly (readonly [weight: number, value: T])[]): fc.Arbitrary<T> =>
  fc.oneof(...choices.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));

const FAMILIES = [["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"]] as const;
const RANGES = [
  ["192.0.2.0/24", "2001:db8:a::/48"],
  ["198.51.100.0/28", "192.0.2.7/32", "2001:db8:b::/64"],
  ["0.0.0.0/0", "::/0"],
  ["203.0.113.0/24", "10.77.0.0/24", "fd00:77::/64"],
  ["192.0.2.0/25"],
] as const;

const PROTOCOLS = { web: "TCP", datagrams: "UDP", signals: "SCTP", admin: "TCP" } as const;
const ports = (index: number): fc.Arbitrary<ServicePortObject[]> =>
  fc.subarray(["web", "datagrams", "signals", "admin"] as const, { minLength: 1 }).map((names) =>
    names.map((name, _, { length }) => ({
      ...(length > 1 ? { name } : {}),
      protocol: PROTOCOLS[name],
      // The same number for all three protocols.
      port: name === "admin" ? 9000 + index : 80 + index,
      targetPort: 8080,
    })),
  );

interface Choices {
  readonly kind: "served" | "headless" | "external name" | "other proxy";
  readonly families: (typeof FAMILIES)[number];
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer";
  readonly ports: readonly ServicePortObject[];
  readonly nodePorts: boolean;
  readonly externalIps: boolean;
  readonly internal: "Cluster" | "Local" | undefined;
  readonly external: "Cluster" | "Local" | undefined;
  readonly affinity: boolean;
  readonly ranges: readonly string[];
  readonly ipMode: "VIP" | "Proxy" | undefined;
  readonly distribution: string | undefined;
  readonly publishNotReady: boolean;
}

const choices = (index: number): fc.Arbitrary<Choices> =>
  fc.record<Choices>({
    kind: weighted([17, "served"], [1, "headless"], [1, "external name"], [1, "other proxy"]),
    families: fc.constantFrom(...FAMILIES),
    type: fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer"),
    ports: ports(index),
    nodePorts: weighted([4, true], [1, false]),
    externalIps: weighted([1, true], [2, false]),
    internal: weighted<Choices["internal"]>([3, "Cluster"], [2, "Local"], [1, undefined]),
    external: weighted<Choices["external"]>([2, "Cluster"], [2, "Local"], [1, undefined]),
    affinity: weighted([1, true], [3, false]),
    ranges: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.constantFrom(...RANGES) }),
    ipMode: weighted<Choices["ipMode"]>([3, undefined], [2, "VIP"], [1, "Proxy"]),
    distribution: fc.constantFrom(undefined, "PreferClose", "PreferSameZone", "PreferSameNode"),
    publishNotReady: weighted([1, true], [9, false]),
  });

/** What proxies may be configured with: all addresses, some of each family, and one family alone. */
export const NODE_PORT_ADDRESSES: readonly (readonly string[])[] = [
  [],
  ["10.77.0.0/24", "fd00:77::/64"],
  ["10.78.0.0/24", "fd00:78::/64"],
  ["10.77.0.2/32", "192.0.2.0/24", "fd00:77::3/128"],
  ["fd00:78::/64"],
];

/** Both or one of a pair, as the families say. */
const ofFamilies = (families: Choices["families"], pair: readonly [string, string]): string[] =>
  families.map((family) => pair[family === "IPv4" ? 0 : 1]);

function makeService(index: number, chosen: Choices): ServiceObject {
  const name = `service-${index}`;
  const hasAddresses = chosen.kind === "served" || chosen.kind === "other proxy";
  const isBalanced = hasAddresses && chosen.type === "LoadBalancer";
  const hasNodePorts = hasAddresses && (chosen.type === "NodePort" || (isBalanced && chosen.nodePorts));
  const isExternal = hasAddresses && (chosen.type !== "ClusterIP" || chosen.externalIps);
  const clusterIPs = hasAddresses ? ofFamilies(chosen.families, clusterIps(index)) : ["None"];
  const labels: Record<string, string> = {};
  if (chosen.kind === "other proxy") labels[PROXY_NAME] = "another";
  if (chosen.kind === "headless") labels[HEADLESS] = "";
  const withNodePorts = chosen.ports.map((port, at) =>
    hasNodePorts ? { ...port, nodePort: 30_000 + index * 10 + at } : port,
  );
  const ingress = ofFamilies(chosen.families, balancerIps(index)).map((ip) => ({
    ip,
    ...(chosen.ipMode === undefined ? {} : { ipMode: chosen.ipMode }),
  }));
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: NAMESPACE, uid: `uid-${name}`, creationTimestamp: "2026-01-01T00:00:00Z", labels },
    spec: {
      type: chosen.kind === "external name" ? "ExternalName" : hasAddresses ? chosen.type : "ClusterIP",
      ...(chosen.kind === "external name"
        ? { externalName: "elsewhere.example" }
        : {
            clusterIP: clusterIPs[0] ?? "None",
            clusterIPs,
            ipFamilies: chosen.families,
            ipFamilyPolicy: chosen.families.length > 1 ? "RequireDualStack" : "SingleStack",
          }),
      ports: withNodePorts,
      ...(hasAddresses && chosen.externalIps ? { externalIPs: ofFamilies(chosen.families, externalIps(index)) } : {}),
      ...(hasAddresses && chosen.internal !== undefined ? { internalTrafficPolicy: chosen.internal } : {}),
      ...(isExternal && chosen.external !== undefined ? { externalTrafficPolicy: chosen.external } : {}),
      ...(isBalanced && chosen.external === "Local" ? { healthCheckNodePort: 32_000 + index } : {}),
      ...(isBalanced && chosen.ranges.length > 0 ? { loadBalancerSourceRanges: chosen.ranges } : {}),
      ...(hasAddresses && chosen.affinity
        ? { sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 3600 } } }
        : { sessionAffinity: "None" }),
      ...(hasAddresses && chosen.distribution !== undefined ? { trafficDistribution: chosen.distribution } : {}),
      ...(chosen.publishNotReady ? { publishNotReadyAddresses: true } : {}),
    },
    status: { loadBalancer: isBalanced ? { ingress } : {} },
  };
}

const serviceWithSlices = (index: number): fc.Arbitrary<Cluster> =>
  choices(index).chain((chosen) => {
    const service = makeService(index, chosen);
    return arbitrarySlices(service, chosen.families, chosen.publishNotReady).map((endpointSlices) => ({
      services: [service],
      endpointSlices,
    }));
  });

export const arbitraryCluster: fc.Arbitrary<Cluster> = fc
  .subarray(
    Array.from({ length: MOST_SERVICES }, (_, index) => index),
    { minLength: 3 },
  )
  .chain((indices) => fc.tuple(...indices.map(serviceWithSlices)))
  .map((parts) => ({
    services: parts.flatMap(({ services }) => services),
    endpointSlices: parts.flatMap(({ endpointSlices }) => endpointSlices),
  }));
