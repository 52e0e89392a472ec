// SPDX-License-Identifier: Apache-2.0
// A difference is excused where its reason holds, and nowhere else.
import { expect, test } from "vitest";
import { clusterOf, endpointOf, probeOf, serviceOf, sliceOf } from "./cluster-builder.ts";
import { knownDifference } from "./known-differences.ts";
import { expected } from "./model.ts";

const BALANCER = "203.0.113.10";
const elsewhere = sliceOf("a", [endpointOf("10.244.2.7", { nodeName: "node-2" })]);
const internallyLocal = serviceOf("a", { spec: { internalTrafficPolicy: "Local" } });
const ranged = serviceOf("a", {
  spec: { loadBalancerSourceRanges: ["198.51.100.0/24"] },
  ingress: [{ ip: BALANCER }],
});

test.each([
  ["no endpoint here under internalTrafficPolicy Local", internallyLocal, probeOf({ from: "pod" }), true],
  ["a client in no source range", ranged, probeOf({ from: "pod", address: BALANCER, target: "load balancer" }), false],
])("ours may refuse what is to be dropped for %s", (_, service, probe, isExcused) => {
  const wanted = expected(clusterOf([service], elsewhere), probe);
  expect(wanted.verdicts).toEqual(["dropped"]);
  const known = knownDifference({ proxy: "ours", probe, expected: wanted, observed: [{ kind: "refused" }] });
  expect(known !== undefined).toBe(isExcused);
});
