// SPDX-License-Identifier: Apache-2.0
// Shows which of Kubernetes' tests a run takes, and that the list of impossible ones cannot grow stale unseen.
import { expect, test } from "vitest";
import { notPossibleHere } from "./not-possible-here.ts";
import { select } from "./selection.ts";

const impossible = Object.keys(notPossibleHere);
const suite = [
  "[sig-network] Services should serve a basic endpoint from pods [Conformance]",
  "[sig-network] Services should be rejected when no endpoints exist",
  "[sig-network] Services should work after restarting apiserver [Disruptive]",
  "[sig-network] Netpol NetworkPolicy between server and client should deny",
  "[sig-network] [Feature:IPv6DualStack] should create service with ipv4 cluster ip",
  "[sig-apps] Services should not be ours",
  ...impossible,
];
const request = { focus: undefined, conformance: false, dualStack: false };

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

test("a cluster with two families of addresses also runs the tests for two", () => {
  const { parallel } = select(suite, { ...request, dualStack: true });
  expect(parallel).toContain("[sig-network] [Feature:IPv6DualStack] should create service with ipv4 cluster ip");
});

test("what cannot run here is named with its reason and never run", () => {
  const { parallel, serial, notPossible } = select(suite, { ...request, dualStack: true });
  expect(notPossible.map(({ name }) => name).sort()).toEqual([...impossible].sort());
  for (const { reason } of notPossible) expect(reason.length).toBeGreaterThan(10);
  for (const name of impossible) expect([...parallel, ...serial]).not.toContain(name);
});

test("a name on the list of impossible tests that the suite does not have is an error", () => {
  expect(() => select(suite.slice(0, 3), request)).toThrow(/does not have: .*sctp/);
});
