// SPDX-License-Identifier: Apache-2.0
// Shows which of Kubernetes' tests a run takes, and that the list of impossible ones cannot grow stale unseen.
import { expect, test } from "vitest";
import { mostNeededWorkers, neededWorkers } from "./needed-workers.ts";
import { notPossibleHere } from "./not-possible-here.ts";
import { ownShape } from "./own-stack.ts";
import { select } from "./selection.ts";

const impossible = Object.keys(notPossibleHere);
const large = Object.keys(neededWorkers);
const dualStack = "[sig-network] [Feature:IPv6DualStack] should create service with ipv4 cluster ip";
const suite = [
  "[sig-network] Services should serve a basic endpoint from pods [Conformance]",
  "[sig-network] Services should be rejected when no endpoints exist",
  "[sig-network] Services should work after restarting apiserver [Disruptive]",
  "[sig-network] Netpol NetworkPolicy between server and client should deny",
  dualStack,
  "[sig-apps] Services should not be ours",
  ...impossible,
  ...large,
];
const small = { workers: 2, dualStack: false };
const request = { focus: undefined, conformance: false, cluster: small };

test("the tests about Services run, and those that disturb others run last, alone", () => {
  const { parallel, serial } = select(suite, request);
  expect(parallel).toEqual([
    "[sig-network] Services should be rejected when no endpoints exist",
    "[sig-network] Services should serve a basic endpoint from pods [Conformance]",
  ]);
  expect(serial).toEqual(["[sig-network] Services should work after restarting apiserver [Disruptive]"]);
});

test("--conformance leaves only what every cluster has to pass", () => {
  const { parallel, serial, notPossible } = select(suite, { ...request, conformance: true });
  expect(parallel).toEqual(["[sig-network] Services should serve a basic endpoint from pods [Conformance]"]);
  expect(serial).toEqual([]);
  expect(notPossible).toEqual([]);
});

test("--focus reaches every test of the network group, also outside the usual ones", () => {
  const { parallel } = select(suite, { ...request, focus: /Netpol|not be ours/ });
  expect(parallel).toEqual(["[sig-network] Netpol NetworkPolicy between server and client should deny"]);
});

test("the stack that is made for the tests is large enough for all of them, and has both families of addresses", () => {
  const { parallel, notPossible } = select(suite, { ...request, cluster: ownShape });
  expect(parallel).toEqual(expect.arrayContaining([...large, dualStack]));
  expect(notPossible.map(({ name }) => name).sort()).toEqual([...impossible].sort());
});

test("on a cluster of one family the tests for two are named as not possible there", () => {
  const { parallel, notPossible } = select(suite, { ...request, cluster: { ...ownShape, dualStack: false } });
  expect(parallel).not.toContain(dualStack);
  expect(notPossible).toContainEqual({
    name: dualStack,
    reason: "it needs IPv4 and IPv6, and this cluster has one of them",
  });
});

test.each([2, 3, 5, mostNeededWorkers])(
  "with %d workers the tests that need more are named, and the others run",
  (workers) => {
    const { parallel, notPossible } = select(suite, { ...request, cluster: { workers, dualStack: true } });
    for (const [name, needed] of Object.entries(neededWorkers)) {
      expect(parallel.includes(name), name).toBe(needed <= workers);
      const named = { name, reason: `it needs ${needed} workers, and this cluster has ${workers}` };
      if (needed > workers) expect(notPossible).toContainEqual(named);
    }
  },
);

test("what cannot run here is named with its reason and never run", () => {
  const { parallel, serial, notPossible } = select(suite, { ...request, cluster: ownShape });
  expect(notPossible.map(({ name }) => name).sort()).toEqual([...impossible].sort());
  for (const { reason } of notPossible) expect(reason.length).toBeGreaterThan(10);
  for (const name of impossible) expect([...parallel, ...serial]).not.toContain(name);
});

test.each([
  ["impossible tests", impossible, /not-possible-here\.ts .* does not have: .*sctp/],
  ["tests that need workers", large, /needed-workers\.ts .* does not have: .*Topology Hints/],
])("a name on the list of %s that the suite does not have is an error", (_, names, said) => {
  expect(() =>
    select(
      suite.filter((name) => !names.includes(name)),
      request,
    ),
  ).toThrow(said);
});
