// SPDX-License-Identifier: Apache-2.0
// A table of Services and what their health check port says on this node.

import { expect, test } from "vitest";
import { indexSlices, isServed } from "../../../agent/core/desired-state.ts";
import { healthChecks } from "../../../agent/core/health-checks.ts";
import { readEndpointSlice, readService } from "../../../agent/core/kubernetes-objects.ts";
import { finish } from "../../../agent/core/steps.ts";
import { NODE } from "./arbitrary-objects.ts";

const lb = {
  type: "LoadBalancer",
  clusterIP: "10.96.0.1",
  externalTrafficPolicy: "Local",
  healthCheckNodePort: 32_000,
};
const draining = { ready: false, serving: true, terminating: true };

function checks(spec: object, endpoints: object[] = []) {
  const slice = (name: string, port: number) =>
    readEndpointSlice({
      metadata: { namespace: "ns", name, labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      ports: [{ name, port }],
      endpoints,
    });
  const services = [readService({ metadata: { namespace: "ns", name: "web" }, spec })].filter(isServed);
  return healthChecks(services, finish(indexSlices([slice("a", 80), slice("b", 81)])), NODE);
}

test("counts the ready endpoints of this node, each address once", () => {
  const endpoints = [
    { addresses: ["10.0.0.1"], nodeName: NODE },
    { addresses: ["10.0.0.2"], nodeName: NODE, conditions: { ready: false } },
    { addresses: ["10.0.0.3"], nodeName: NODE, conditions: draining },
    { addresses: ["10.0.0.4"], nodeName: "node-2" },
  ];
  expect(checks(lb, endpoints)).toEqual([{ namespace: "ns", name: "web", port: 32_000, localEndpoints: 1 }]);
});

test("a Service without endpoints here has a port that says so", () => {
  expect(checks(lb)[0]?.localEndpoints).toBe(0);
});

test.each([
  ["with externalTrafficPolicy Cluster", { ...lb, externalTrafficPolicy: "Cluster" }],
  ["of type NodePort", { ...lb, type: "NodePort" }],
  ["without an allocated port", { ...lb, healthCheckNodePort: 0 }],
  ["that is headless", { ...lb, clusterIP: "None" }],
])("a Service %s has none", (_, spec) => {
  expect(checks(spec)).toEqual([]);
});
