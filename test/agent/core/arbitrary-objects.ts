// SPDX-License-Identifier: Apache-2.0
// Random cluster objects from a small universe, so that names, addresses and endpoints collide often.

import fc from "fast-check";
import {
  type Collection,
  type EndpointSlice,
  objectKey,
  readEndpointSlice,
  readNode,
  readPod,
  readService,
  type Service,
  type Snapshot,
} from "../../../agent/core/kubernetes-objects.ts";

export const NODE = "node-1";
const names = ["a", "b", "c", "d", "e", "f"] as const;

export const service: fc.Arbitrary<Service> = fc
  .record({
    name: fc.constantFrom(...names),
    age: fc.integer({ min: 0, max: 3 }),
    ports: fc.uniqueArray(fc.constantFrom("http", "dns", "metrics"), { minLength: 1, maxLength: 3 }),
    nodePort: fc.boolean(),
    externalIPs: fc.subarray(["203.0.113.1", "203.0.113.2"]),
    internal: fc.constantFrom("Cluster", "Local"),
    external: fc.constantFrom("Cluster", "Local"),
    dual: fc.boolean(),
    type: fc.constantFrom("ClusterIP", "LoadBalancer"),
    ranges: fc.subarray(["192.0.2.0/24", "198.51.100.0/25", "2001:db8::/32"]),
    affinity: fc.constantFrom("None", "None", "ClientIP"),
    kind: fc.constantFrom("served", "served", "served", "served", "headless", "other-proxy"),
  })
  .map((x): Service => {
    const index = names.indexOf(x.name);
    const labels = x.kind === "other-proxy" ? { "service.kubernetes.io/service-proxy-name": "other" } : {};
    const addresses = x.dual ? [`10.96.0.${index + 10}`, `fd00::${index + 10}`] : [`10.96.0.${index + 10}`];
    return readService({
      metadata: { namespace: "ns", name: x.name, creationTimestamp: `2026-01-01T00:00:0${x.age}Z`, labels },
      spec: {
        type: x.type === "LoadBalancer" ? x.type : x.nodePort ? "NodePort" : "ClusterIP",
        sessionAffinity: x.affinity,
        loadBalancerSourceRanges: x.ranges,
        clusterIPs: x.kind === "headless" ? ["None"] : addresses,
        externalIPs: x.externalIPs,
        internalTrafficPolicy: x.internal,
        externalTrafficPolicy: x.external,
        ports: x.ports.map((name) => ({
          name,
          protocol: name === "dns" ? "UDP" : "TCP",
          port: { http: 80, dns: 53, metrics: 9090 }[name],
          nodePort: x.nodePort ? 30_000 + index * 10 + { http: 0, dns: 1, metrics: 2 }[name] : 0,
        })),
      },
      status: { loadBalancer: { ingress: x.type === "LoadBalancer" ? [{ ip: `203.0.113.${index + 100}` }] : [] } },
    });
  });

const endpoint = fc.record({
  host: fc.integer({ min: 1, max: 12 }),
  nodeName: fc.constantFrom(NODE, "node-2"),
  ready: fc.boolean(),
  serving: fc.boolean(),
  terminating: fc.boolean(),
  hints: fc.option(fc.record({ forZones: fc.constantFrom([{ name: "z1" }], [{ name: "z2" }]) }), { nil: undefined }),
});

export const slice: fc.Arbitrary<EndpointSlice> = fc
  .record({
    service: fc.constantFrom(...names),
    number: fc.integer({ min: 0, max: 1 }),
    family: fc.constantFrom(4, 4, 6),
    endpoints: fc.array(endpoint, { maxLength: 5 }),
    ports: fc.subarray(["http", "dns", "metrics"] as const, { minLength: 1 }),
    offset: fc.integer({ min: 0, max: 1 }),
  })
  .map(
    (x): EndpointSlice =>
      readEndpointSlice({
        metadata: {
          namespace: "ns",
          name: `${x.service}-${x.number}-${x.family}`,
          labels: { "kubernetes.io/service-name": x.service },
        },
        addressType: `IPv${x.family}`,
        ports: x.ports.map((name) => ({ name, protocol: name === "dns" ? "UDP" : "TCP", port: 8000 + x.offset })),
        endpoints: x.endpoints.map(({ host, nodeName, hints, ...conditions }) => ({
          addresses: [x.family === 4 ? `10.244.0.${host}` : `fd01::${host}`],
          nodeName,
          conditions,
          hints,
        })),
      }),
  );

export const collection = <T extends { namespace: string; name: string }>(
  objects: T[],
  synced = true,
): Collection<T> => ({
  synced,
  objects: new Map(objects.map((object) => [objectKey(object), object])),
});

export const nodes = collection([
  readNode({
    metadata: { name: NODE, labels: { "topology.kubernetes.io/zone": "z1" } },
    spec: { podCIDRs: ["10.244.0.0/24"] },
    status: { addresses: [{ type: "InternalIP", address: "192.0.2.1" }] },
  }),
]);

const pod = fc
  .record({
    name: fc.constantFrom("p", "q", "r"),
    host: fc.integer({ min: 1, max: 12 }),
    // 30000 and 30010 may be NodePorts.
    hostPort: fc.constantFrom(8080, 30_000, 30_010),
    hostIP: fc.constantFrom("", "192.0.2.1", "127.0.0.1"),
  })
  .map((x) =>
    readPod({
      metadata: { namespace: "ns", name: x.name, creationTimestamp: "2026-01-01T00:00:00Z" },
      spec: { containers: [{ ports: [{ hostPort: x.hostPort, containerPort: 80, hostIP: x.hostIP }] }] },
      status: { phase: "Running", podIPs: [{ ip: `10.244.0.${x.host}` }] },
    }),
  );

/** A cluster at one moment, every list complete. */
export const snapshot: fc.Arbitrary<Snapshot> = fc
  .record({
    pods: fc.uniqueArray(pod, { selector: (p) => p.name, maxLength: 3 }),
    services: fc.uniqueArray(service, { selector: (s) => s.name, maxLength: 6 }),
    slices: fc.uniqueArray(slice, { selector: (s) => s.name, maxLength: 8 }),
  })
  .map(({ services, slices, pods }) => ({
    pods: collection(pods),
    services: collection(services),
    endpointSlices: collection(slices),
    nodes,
  }));
