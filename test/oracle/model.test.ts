// SPDX-License-Identifier: Apache-2.0
// The reference model against the sentences of the documentation, one case each.
import { describe, expect, test } from "vitest";
import { clusterOf, endpointOf, probeOf, serviceOf, sliceOf } from "./cluster-builder.ts";
import { expected, isServed, NO_RANGE_OF_FAMILY } from "./model.ts";
import { usableEndpoints } from "./model-endpoints.ts";
import { type EndpointObject, HEADLESS, PROXY_NAME } from "./objects.ts";
import type { Probe } from "./probe.ts";

const HERE = "10.244.1.7";
const THERE = "10.244.2.7";
const OTHER_ZONE = "10.244.3.7";
const [here, there] = [endpointOf(HERE), endpointOf(THERE, { nodeName: "node-2" })];
const text = (...addresses: string[]) => addresses.map((address) => `${address}:8080`);
const ready = { ready: true };
const waiting = { ready: false, serving: false, terminating: false };
const draining = { ready: false, serving: true, terminating: true };
const dead = { ready: false, serving: false, terminating: true };
const zone = (name: string) => ({ hints: { forZones: [{ name }] } });
const node = (name: string) => ({ hints: { forNodes: [{ name }] } });
const of = (address: string, conditions: EndpointObject["conditions"], more: Partial<EndpointObject> = {}) =>
  endpointOf(address, { conditions, ...more });

describe("usable endpoints", () => {
  test.each<[string, EndpointObject[], string[]]>([
    ["are the ready ones", [of(HERE, ready), of(THERE, waiting)], [HERE]],
    ["count as ready where nothing is said", [endpointOf(HERE)], [HERE]],
    ["leave out who drains while one is ready", [of(HERE, ready), of(THERE, draining)], [HERE]],
    ["are those that drain when none is ready", [of(HERE, waiting), of(THERE, draining)], [THERE]],
    ["never are those that end and serve no more", [of(HERE, dead)], []],
    ["are each once", [endpointOf(HERE), endpointOf(HERE)], [HERE]],
    ["are those of our zone", [endpointOf(HERE, zone("zone-a")), endpointOf(OTHER_ZONE, zone("zone-b"))], [HERE]],
    ["are all when one lacks a hint", [endpointOf(HERE, zone("zone-a")), endpointOf(OTHER_ZONE)], [HERE, OTHER_ZONE]],
    [
      "are all when no hint is for us",
      [endpointOf(HERE, zone("zone-b")), endpointOf(THERE, zone("zone-b"))],
      [HERE, THERE],
    ],
    [
      "are those of our node before those of our zone",
      [
        endpointOf(HERE, { hints: { forNodes: [{ name: "node-1" }], forZones: [{ name: "zone-a" }] } }),
        endpointOf(THERE, { hints: { forNodes: [{ name: "node-2" }], forZones: [{ name: "zone-a" }] } }),
      ],
      [HERE],
    ],
    ["are all when the node hint of one is missing", [endpointOf(HERE, node("node-1")), there], [HERE, THERE]],
    [
      "are all that drain, whatever their hints",
      [of(HERE, draining, zone("zone-a")), of(OTHER_ZONE, draining, zone("zone-b"))],
      [HERE, OTHER_ZONE],
    ],
  ])("%s", (_, endpoints, addresses) => {
    const service = serviceOf("a");
    const found = usableEndpoints(clusterOf([service], sliceOf("a", endpoints)), service, portOf(service), 4);
    expect(found.cluster).toEqual(text(...addresses));
    expect(found.any).toBe(addresses.length > 0);
  });

  test("of this node fall back by themselves to those that drain", () => {
    const service = serviceOf("a");
    const slice = sliceOf("a", [of(HERE, draining), endpointOf(THERE, { nodeName: "node-2" })]);
    expect(usableEndpoints(clusterOf([service], slice), service, portOf(service), 4)).toEqual({
      cluster: text(THERE),
      local: text(HERE),
      any: true,
    });
  });

  test.each([
    ["of another Service", sliceOf("b", [here])],
    ["of another namespace", sliceOf("a", [here], { metadata: { ...sliceOf("a", []).metadata, namespace: "other" } })],
    ["of the other family", sliceOf("a", [here], { addressType: "IPv6" })],
    ["of another port name", sliceOf("a", [here], { ports: [{ name: "dns", protocol: "TCP", port: 8080 }] })],
    ["of another protocol", sliceOf("a", [here], { ports: [{ name: "http", protocol: "UDP", port: 8080 }] })],
    [
      "that is headless",
      sliceOf("a", [here], {
        metadata: { ...sliceOf("a", []).metadata, labels: { ...sliceOf("a", []).metadata.labels, [HEADLESS]: "" } },
      }),
    ],
  ])("are none in a slice %s", (_, slice) => {
    const service = serviceOf("a");
    expect(usableEndpoints(clusterOf([service], slice), service, portOf(service), 4).any).toBe(false);
  });
});

function portOf(service: ReturnType<typeof serviceOf>) {
  const [port] = service.spec.ports;
  if (port === undefined) throw new Error("a Service without a port");
  return port;
}

test.each([
  ["a plain one", serviceOf("a"), true],
  ["ExternalName", serviceOf("a", { spec: { type: "ExternalName" } }), false],
  ["headless", serviceOf("a", { spec: { clusterIP: "None", clusterIPs: ["None"] } }), false],
  ["of another proxy", serviceOf("a", { labels: { [PROXY_NAME]: "other" } }), false],
  ["labelled headless", serviceOf("a", { labels: { [HEADLESS]: "" } }), false],
])("a Service is served or not: %s", (_, service, served) => expect(isServed(service)).toBe(served));

const BALANCER = "203.0.113.10";
const outside = { from: "outside", source: "192.0.2.7" } as const;
const otherPod = { from: "outside", source: "10.244.2.9" } as const;
const nodePort = { address: "10.77.0.2", port: 30_080, target: "NodePort" } as const;
const balancer = { address: BALANCER, target: "load balancer" } as const;
const ingress = [{ ip: BALANCER }];
const local = { externalTrafficPolicy: "Local" } as const;

describe("a probe", () => {
  test.each<[string, Parameters<typeof serviceOf>[1], Partial<Probe>, string[]]>([
    ["of a pod to the ClusterIP", {}, {}, [HERE, THERE]],
    ["of a pod under internalTrafficPolicy Local", { spec: { internalTrafficPolicy: "Local" } }, {}, [HERE]],
    ["from outside to the NodePort", {}, { ...outside, ...nodePort }, [HERE, THERE]],
    ["from outside under externalTrafficPolicy Local", { spec: local }, { ...outside, ...nodePort }, [HERE]],
    ["of a pod to a NodePort under Local", { spec: local }, { ...nodePort }, [HERE, THERE]],
    ["of another node's pod to a NodePort under Local", { spec: local }, { ...otherPod, ...nodePort }, [HERE]],
    [
      "of another node's pod to the balancer under Local",
      { spec: local, ingress },
      { ...otherPod, ...balancer },
      [HERE, THERE],
    ],
    ["from outside to the balancer", { ingress }, { ...outside, ...balancer }, [HERE, THERE]],
    [
      "from outside to an external IP",
      { spec: { externalIPs: ["198.51.100.1"] } },
      { ...outside, address: "198.51.100.1" },
      [HERE, THERE],
    ],
    [
      "in the source ranges",
      { spec: { loadBalancerSourceRanges: ["192.0.2.0/24"] }, ingress },
      { ...outside, ...balancer },
      [HERE, THERE],
    ],
    [
      "of the host past the source ranges",
      { spec: { loadBalancerSourceRanges: ["198.51.100.0/24"] }, ingress },
      { from: "host", ...balancer },
      [HERE, THERE],
    ],
    [
      "past ranges of the other family",
      { spec: { loadBalancerSourceRanges: ["2001:db8::/32"] }, ingress },
      { ...outside, ...balancer },
      [HERE, THERE],
    ],
    [
      "to the NodePort past the balancer's ranges",
      { spec: { loadBalancerSourceRanges: ["198.51.100.0/24"] } },
      { ...outside, ...nodePort },
      [HERE, THERE],
    ],
  ])("%s reaches exactly the endpoints it may", (_, special, probe, addresses) => {
    const found = expected(clusterOf([serviceOf("a", special)], sliceOf("a", [here, there])), probeOf(probe));
    expect(found.backends).toEqual(text(...addresses));
    expect(found.verdicts).toEqual([]);
  });

  test.each<[string, Parameters<typeof serviceOf>[1], EndpointObject[], Partial<Probe>, string[]]>([
    ["to an address of nobody", {}, [here], { address: "10.96.0.99" }, ["untouched"]],
    ["to a port of nobody", {}, [here], { port: 81 }, ["untouched"]],
    ["by another protocol", {}, [here], { protocol: "udp" }, ["untouched"]],
    ["from outside to the ClusterIP", {}, [here], outside, ["untouched"]],
    [
      "to a balancer that is a proxy",
      { ingress: [{ ip: BALANCER, ipMode: "Proxy" }] },
      [here],
      balancer,
      ["untouched"],
    ],
    [
      "to a balancer's address of a ClusterIP Service",
      { spec: { type: "ClusterIP" }, ingress },
      [here],
      balancer,
      ["untouched"],
    ],
    ["to a NodePort on the loopback", {}, [here], { from: "host", ...nodePort, address: "127.0.0.1" }, ["untouched"]],
    ["without any endpoint", {}, [], {}, ["refused"]],
    ["under Local without any endpoint", { spec: local }, [], { ...outside, ...nodePort }, ["refused"]],
    ["under Local with endpoints elsewhere only", { spec: local }, [there], { ...outside, ...nodePort }, ["dropped"]],
    [
      "out of the source ranges",
      { spec: { loadBalancerSourceRanges: ["198.51.100.0/24"] }, ingress },
      [here],
      { ...outside, ...balancer },
      ["dropped"],
    ],
    [
      "out of the source ranges, without endpoints",
      { spec: { loadBalancerSourceRanges: ["198.51.100.0/24"] }, ingress },
      [],
      { ...outside, ...balancer },
      ["dropped", "refused"],
    ],
  ])("%s reaches nobody, and hears so", (_, special, endpoints, probe, verdicts) => {
    const found = expected(clusterOf([serviceOf("a", special)], sliceOf("a", endpoints)), probeOf(probe));
    expect(found).toMatchObject({ backends: [], verdicts });
  });

  test.each(["TCP", "UDP", "SCTP"] as const)(
    "by %s asks for the port of that protocol, whatever has its number",
    (own) => {
      const ports = (["TCP", "UDP", "SCTP"] as const).map((protocol, at) => ({
        ...{ name: protocol.toLowerCase(), protocol, port: 80, targetPort: 8080, nodePort: 30_080 + at },
      }));
      const slice = sliceOf("a", [here], {
        ports: ports.map(({ name, protocol }, at) => ({ name, protocol, port: 9000 + at })),
      });
      const protocol = { TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const;
      const found = expected(
        clusterOf([serviceOf("a", { spec: { ports } })], slice),
        probeOf({ protocol: protocol[own] }),
      );
      expect(found.backends).toEqual([`${HERE}:${9000 + ["TCP", "UDP", "SCTP"].indexOf(own)}`]);
    },
  );

  test.each<[string, readonly string[], Partial<Probe>, boolean]>([
    ["at every address without ranges", [], {}, true],
    ["at an address that the Node does not name", [], { address: "10.78.0.2" }, true],
    ["at an address in a range", ["192.0.2.0/24", "10.77.0.0/24"], {}, true],
    ["not at one outside the ranges", ["10.77.0.0/24"], { address: "10.78.0.2" }, false],
    ["not at another node's outside the ranges", ["10.77.0.2/32"], { address: "10.77.0.3" }, false],
    ["not in a family that has no range", ["fd00:77::/64"], {}, false],
  ])("to a NodePort is accepted %s", (_, nodePortAddresses, probe, accepted) => {
    const cluster = { ...clusterOf([serviceOf("a")], sliceOf("a", [here])), nodePortAddresses };
    const found = expected(cluster, probeOf({ ...outside, ...nodePort, ...probe }));
    expect(found.backends).toEqual(accepted ? text(HERE) : []);
    if (!accepted) expect(found).toMatchObject({ verdicts: ["untouched"], ifServed: { backends: text(HERE) } });
  });

  test("to a NodePort outside the ranges says whether they have any of its family", () => {
    const cluster = clusterOf([serviceOf("a")], sliceOf("a", [here]));
    const because = (range: string) =>
      expected({ ...cluster, nodePortAddresses: [range] }, probeOf({ ...outside, ...nodePort })).because;
    expect(because("fd00:77::/64")).toContain(NO_RANGE_OF_FAMILY);
    expect(because("10.78.0.0/24")).not.toContain(NO_RANGE_OF_FAMILY);
  });

  test("to the ClusterIP and the balancer is served whatever the ranges for NodePorts are", () => {
    const service = serviceOf("a", { ingress });
    const cluster = { ...clusterOf([service], sliceOf("a", [here])), nodePortAddresses: ["10.78.0.0/24"] };
    for (const probe of [{}, { ...outside, ...balancer }])
      expect(expected(cluster, probeOf(probe)).backends).toEqual(text(HERE));
  });

  test("to another node's NodePort may be left to that node", () => {
    const cluster = clusterOf([serviceOf("a")], sliceOf("a", [here]));
    const found = expected(cluster, probeOf({ ...nodePort, address: "10.77.0.3" }));
    expect(found).toMatchObject({ backends: text(HERE), verdicts: ["untouched"], keepsSource: false });
  });

  test.each<[string, Parameters<typeof serviceOf>[1], string, Partial<Probe>, boolean]>([
    ["of a pod to a ClusterIP", {}, HERE, {}, true],
    ["of a pod that may reach itself", {}, "10.244.1.5", {}, false],
    ["of the host", {}, HERE, { from: "host" }, false],
    ["from outside under Cluster", {}, HERE, { ...outside, ...nodePort }, false],
    ["from outside under Local", { spec: local }, HERE, { ...outside, ...nodePort }, true],
  ])("%s shows its address or need not", (_, special, address, probe, kept) => {
    const cluster = clusterOf([serviceOf("a", special)], sliceOf("a", [endpointOf(address)]));
    expect(expected(cluster, probeOf(probe)).keepsSource).toBe(kept);
  });

  test("stays with one backend exactly where the Service has affinity", () => {
    for (const sessionAffinity of ["None", "ClientIP"] as const) {
      const cluster = clusterOf([serviceOf("a", { spec: { sessionAffinity } })], sliceOf("a", [here]));
      expect(expected(cluster, probeOf()).sticky).toBe(sessionAffinity === "ClientIP");
    }
  });
});
