// SPDX-License-Identifier: Apache-2.0
// Tests which Services and endpoints an agent has to have, counted from the API server's lists.
import { describe, expect, it } from "vitest";
import { countObjects } from "../../../agent/verify/object-counts.ts";
import { proxied } from "./fake-cluster.ts";

describe("object counts", () => {
  it("are Services that need a proxy, and each distinct endpoint once", () => {
    const objects = proxied(3);
    const headless = { metadata: { name: "h", namespace: "n" }, spec: { clusterIP: "None", clusterIPs: ["None"] } };
    const external = {
      metadata: { name: "e", namespace: "n" },
      spec: { type: "ExternalName", externalName: "example.org" },
    };
    const [first] = objects.endpointSlices;
    if (first === undefined) throw new Error("no slice");
    const twin = { ...first, metadata: { ...first.metadata, name: "twin" } };
    expect(
      countObjects(
        {
          services: [...objects.services, headless, external],
          endpointSlices: [...objects.endpointSlices, twin],
          nodes: [],
        },
        "a",
        [],
      ),
    ).toEqual({ services: 3, endpoints: 6 });
  });

  it("have the host ports of the node's own Pods", () => {
    const node = {
      metadata: { name: "a" },
      status: { addresses: [{ type: "InternalIP", address: "192.0.2.1" }] },
    };
    const pod = {
      metadata: { name: "p", namespace: "n" },
      spec: {
        nodeName: "a",
        containers: [{ name: "c", ports: [{ containerPort: 80, hostPort: 8080, protocol: "TCP" }] }],
      },
      status: { podIP: "10.244.1.200", podIPs: [{ ip: "10.244.1.200" }], phase: "Running" },
    };
    const objects = { ...proxied(1), nodes: [node] };
    expect(countObjects(objects, "a", [pod])).toEqual({ services: 2, endpoints: 3 });
  });

  it("differ between nodes where a Service keeps traffic on the node", () => {
    const { services, endpointSlices } = proxied(1);
    const local = services.map((service) => ({
      ...service,
      spec: { ...service.spec, internalTrafficPolicy: "Local" },
    }));
    const placed = endpointSlices.map((slice) => ({
      ...slice,
      endpoints: (slice.endpoints ?? []).map((endpoint) => ({ ...endpoint, nodeName: "a" })).slice(0, 1),
    }));
    const objects = { services: local, endpointSlices: placed, nodes: [] };
    expect(countObjects(objects, "a", []).endpoints).toBe(1);
    expect(countObjects(objects, "b", []).endpoints).toBe(0);
  });
});
