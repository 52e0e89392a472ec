// SPDX-License-Identifier: Apache-2.0
// Says which addresses and ports of a Service are served, to whom, and who wins a conflict.

import { describe, expect, test } from "vitest";
import { collection } from "./arbitrary-objects.ts";
import { b, ready, served, slice, type TestService, type TestSlice, WEB } from "./served-services.ts";

describe("frontends of a Service", () => {
  const endpoints: TestSlice[] = [{ endpoints: [["10.0.0.1", ready]] }];

  test("are ClusterIP, NodePort on every node address, external IPs and load balancer addresses, with one set", () => {
    const web: TestService = {
      spec: { type: "LoadBalancer", ports: [{ port: 80, nodePort: 30080 }], externalIPs: ["198.51.100.1"] },
      ingress: [
        { ip: "203.0.113.1" },
        { ip: "203.0.113.2", ipMode: "VIP" },
        { ip: "203.0.113.3", ipMode: "Proxy" },
        { hostname: "lb" },
      ],
    };
    expect(served([web], endpoints)).toMatchObject({
      frontends: {
        [WEB]: b("10.0.0.1"),
        "6/*4/30080 external": b("10.0.0.1"),
        "6/198.51.100.1/80 external": b("10.0.0.1"),
        "6/203.0.113.1/80 external": b("10.0.0.1"),
        "6/203.0.113.2/80 external": b("10.0.0.1"),
      },
      problems: [],
    });
  });

  const left: [string, TestService][] = [
    ["a headless Service", { spec: { clusterIP: "None" } }],
    ["an ExternalName Service", { spec: { type: "ExternalName", clusterIP: "" } }],
    ["a Service labelled as headless", { labels: { "service.kubernetes.io/headless": "" } }],
    ["a Service of another proxy", { labels: { "service.kubernetes.io/service-proxy-name": "x" } }],
    ["a Service without an address yet", { spec: { clusterIP: "" } }],
  ];
  test.each(left)("do not exist for %s", (_, headless) => {
    expect(served([headless], endpoints)).toMatchObject({ frontends: {}, problems: [] });
  });

  test("that two Services claim belong to the older one, and the other is told", () => {
    const spec = (index: number) => ({ clusterIP: `10.96.0.${index}`, externalIPs: ["198.51.100.1"] });
    const [old, young] = [
      { name: "z", created: "2026-01-01T00:00:00Z", spec: spec(1) },
      { name: "a", created: "2026-01-02T00:00:00Z", spec: spec(2) },
    ];
    for (const order of [
      [old, young],
      [young, old],
    ]) {
      const { frontends, problems } = served(order, [{ service: "z", endpoints: [["10.0.0.9", ready]] }]);
      expect(frontends["6/198.51.100.1/80 external"]).toBe(b("10.0.0.9"));
      expect(problems).toEqual(["ns/a FrontendConflict"]);
    }
  });

  test("of the same age go by name", () => {
    const services = ["b", "a"].map((name, index) => ({
      name,
      spec: { clusterIP: `10.96.0.${index}`, externalIPs: ["198.51.100.1"] },
    }));
    expect(served(services, []).problems).toEqual(["ns/b FrontendConflict"]);
  });

  test("never let an external IP take another Service's ClusterIP, however old", () => {
    const thief = {
      name: "thief",
      created: "2020-01-01T00:00:00Z",
      spec: { clusterIP: "10.96.0.7", externalIPs: ["10.96.0.1"] },
    };
    const { frontends, problems } = served([thief, {}], endpoints);
    expect(frontends[WEB]).toBe(b("10.0.0.1"));
    expect(problems).toEqual(["ns/thief AddressNotAllowed"]);
  });

  test("leave out a protocol that is not served and an address of a family the Service lacks, and say so", () => {
    const spec = {
      ports: [
        { name: "a", port: 80 },
        { name: "b", port: 81, protocol: "DCCP" },
      ],
      externalIPs: ["2001:db8::1", "nonsense"],
    };
    const { frontends, problems } = served([{ spec }], []);
    expect(Object.keys(frontends)).toEqual([WEB]);
    expect(problems).toEqual(["ns/web UnsupportedProtocol", "ns/web AddressFamily", "ns/web AddressFamily"]);
  });

  test("of one port and three protocols lead each to the endpoints of its own", () => {
    const protocols = ["TCP", "UDP", "SCTP"].map((protocol) => ({ name: protocol.toLowerCase(), protocol }));
    const spec = { type: "NodePort", ports: protocols.map((each) => ({ ...each, port: 80, nodePort: 30_080 })) };
    const ports = protocols.map((each, index) => ({ ...each, port: 8080 + index }));
    const { frontends, problems } = served([{ spec }], [{ ports, endpoints: [["10.0.0.1", ready]] }]);
    expect(frontends).toEqual({
      [WEB]: "6/10.0.0.1/8080",
      "6/*4/30080 external": "6/10.0.0.1/8080",
      "17/10.96.0.1/80 cluster": "17/10.0.0.1/8081",
      "17/*4/30080 external": "17/10.0.0.1/8081",
      "132/10.96.0.1/80 cluster": "132/10.0.0.1/8082",
      "132/*4/30080 external": "132/10.0.0.1/8082",
    });
    expect(problems).toEqual([]);
  });

  test("are not given for a NodePort outside the range that the programs look at, and the Service is told", () => {
    const nodePortRange = { first: 30_000, last: 32_767 };
    const ports = [30_000, 32_767, 32_768, 20_000].map((nodePort, index) => ({ name: `${index}`, port: 80, nodePort }));
    const { frontends, desired, problems } = served([{ spec: { type: "NodePort", ports } }], [], {}, { nodePortRange });
    expect(Object.keys(frontends)).toEqual([WEB, "6/*4/30000 external", "6/*4/32767 external"]);
    expect(problems).toEqual(["ns/web NodePortOutOfRange", "ns/web NodePortOutOfRange"]);
    expect(desired.problems[0]?.message).toContain("set the value nodePort.range to the API server's");
  });

  test("carry the source ranges of their own family on load balancer addresses only", () => {
    const lb = (...ranges: string[]): TestService => ({
      spec: {
        type: "LoadBalancer",
        clusterIPs: ["10.96.0.1", "fd00::1"],
        ports: [{ port: 80, nodePort: 30080 }],
        loadBalancerSourceRanges: ranges,
      },
      ingress: [{ ip: "203.0.113.1" }, { ip: "2001:db8::1" }],
    });
    const restricted = (...ranges: string[]) => {
      const { desired, problems } = served([lb(...ranges)], []);
      const [{ frontends, sourceRanges } = { frontends: [], sourceRanges: [] }] = desired.services;
      const asking = frontends.filter((frontend) => frontend.sourceRanges).map(({ key }) => key.address);
      return [asking, sourceRanges.map(({ cidr }) => cidr), problems];
    };
    expect(restricted()).toEqual([[], [], []]);
    expect(restricted(" 10.1.2.3/8 ", "10.0.0.0/8")).toEqual([["203.0.113.1"], ["10.0.0.0/8"], []]);
    expect(restricted("10.0.0.0/8", "2001:DB8:1::1/48")).toEqual([
      ["203.0.113.1", "2001:db8::1"],
      ["10.0.0.0/8", "2001:db8:1::/48"],
      [],
    ]);
    expect(restricted("10.0.0.0/8", "0.0.0.0/0")).toEqual([[], [], []]);
    expect(restricted("10.0.0.0/8", "everybody")).toEqual([[], [], ["ns/web SourceRangesInvalid"]]);
    const { frontends } = served([lb("everybody")], []);
    expect(Object.keys(frontends)).not.toContain("6/203.0.113.1/80 external");
  });

  test.each([
    ["a node's address", "192.0.2.1"],
    ["a Pod's network", "10.244.0.77"],
    ["another Service's ClusterIP, on any port", "10.96.0.2"],
    ["another Service's load balancer address, on any port", "203.0.113.50"],
    ["the loopback", "127.0.0.1"],
    ["the link", "169.254.169.254"],
    ["the loopback, written as IPv6", "::ffff:127.0.0.1"],
  ])("are not given for an external IP that is %s", (_, externalIP) => {
    const thief: TestService = {
      name: "thief",
      created: "2020-01-01T00:00:00Z",
      spec: {
        clusterIPs: ["10.96.0.3", "fd00::3"],
        ports: [{ port: 4444 }],
        externalIPs: [externalIP],
      },
    };
    const victim: TestService = {
      name: "victim",
      spec: { clusterIP: "10.96.0.2", type: "LoadBalancer" },
      ingress: [{ ip: "203.0.113.50" }],
    };
    const { frontends, problems } = served([thief, victim], []);
    expect(problems).toEqual(["ns/thief AddressNotAllowed"]);
    expect(Object.keys(frontends).filter((id) => id.includes("/4444 "))).toEqual([
      "6/10.96.0.3/4444 cluster",
      "6/fd00::3/4444 cluster",
    ]);
  });

  test("are not given for a load balancer status that names a ClusterIP, a Pod or the loopback", () => {
    for (const ip of ["10.96.0.2", "10.244.0.5", "127.0.0.1"]) {
      const thief: TestService = {
        name: "thief",
        spec: { clusterIP: "10.96.0.3", type: "LoadBalancer" },
        ingress: [{ ip }],
      };
      const { problems } = served([thief, { spec: { clusterIP: "10.96.0.2" } }], []);
      expect(problems).toEqual(["ns/thief AddressNotAllowed"]);
    }
  });

  const apiServer = slice({ service: "kubernetes", ports: [{ port: 6443 }], endpoints: [["203.0.113.8", ready]] });
  const apiSlices = { endpointSlices: collection([{ ...apiServer, service: "default/kubernetes" }]) };
  const apiEndpoints = [
    { address: "203.0.113.9", port: 6443 },
    { address: "192.0.2.1", port: 6443 },
  ];
  test.each([
    ["where this node reaches the API server", "203.0.113.9"],
    ["of an API server by its own Service", "203.0.113.8"],
  ])("are not given %s, on any port", (_, address) => {
    for (const asking of [
      { spec: { ports: [{ port: 80 }], externalIPs: [address] } },
      { spec: { ports: [{ port: 6443 }], type: "LoadBalancer" }, ingress: [{ ip: address }] },
    ]) {
      const { frontends, problems } = served([asking], [], apiSlices, { apiEndpoints });
      expect(problems).toEqual(["ns/web AddressNotAllowed"]);
      expect(Object.keys(frontends).filter((id) => id.includes(address))).toEqual([]);
    }
  });

  test("of a load balancer on the address of a node with an API server leave that its port", () => {
    const ports = [
      { name: "web", port: 80 },
      { name: "api", port: 6443 },
    ];
    const lb: TestService = { spec: { type: "LoadBalancer", ports }, ingress: [{ ip: "192.0.2.1" }] };
    const { frontends, problems } = served([lb], [], apiSlices, { apiEndpoints });
    expect(problems).toEqual(["ns/web AddressNotAllowed"]);
    expect(Object.keys(frontends).filter((id) => id.includes("192.0.2.1"))).toEqual(["6/192.0.2.1/80 external"]);
  });

  test("of a load balancer on a node's own address leave other Services' NodePorts alone", () => {
    const lb: TestService = {
      name: "lb",
      created: "2020-01-01T00:00:00Z",
      spec: {
        type: "LoadBalancer",
        clusterIP: "10.96.0.3",
        ports: [
          { name: "a", port: 30080 },
          { name: "b", port: 81 },
        ],
      },
      ingress: [{ ip: "192.0.2.1" }],
    };
    const { frontends, problems } = served(
      [lb, { spec: { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] } }],
      [],
    );
    expect(problems).toEqual(["ns/lb FrontendConflict"]);
    expect(Object.keys(frontends)).toContain("6/192.0.2.1/81 external");
  });

  const elsewhere: TestSlice[] = [{ endpoints: [["10.0.0.2", ready, "node-2"]] }];
  test.each([
    ["drop what comes from outside when only other nodes have endpoints", "Local", elsewhere, "drop"],
    ["refuse it when nobody has any", "Local", [], "reject"],
    ["refuse it with traffic policy Cluster", "Cluster", [], "reject"],
  ] as const)("with no endpoint %s", (_, policy, slices, verdict) => {
    const spec = { type: "NodePort", externalTrafficPolicy: policy, ports: [{ port: 80, nodePort: 30080 }] };
    const { desired } = served([{ spec }], [...slices]);
    const found = desired.services[0]?.frontends.find(({ key }) => key.address === "*4");
    expect(found?.noEndpoint).toBe(verdict);
    const internal = served([{ spec: { internalTrafficPolicy: policy } }], [...slices]).desired.services[0]?.frontends;
    expect(internal?.[0]?.noEndpoint).toBe(verdict);
  });

  test("keep a client for the seconds that the Service says, three hours when it says none, and not at all without affinity", () => {
    const seconds = (spec: Record<string, unknown>) =>
      served([{ spec }], []).desired.services[0]?.frontends[0]?.affinitySeconds;
    expect(seconds({})).toBe(0);
    expect(seconds({ sessionAffinity: "ClientIP" })).toBe(10_800);
    const sessionAffinityConfig = { clientIP: { timeoutSeconds: 30 } };
    expect(seconds({ sessionAffinity: "ClientIP", sessionAffinityConfig })).toBe(30);
  });
});
