// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { serviceAddress } from "./cluster-objects.ts";
import { askedInOrder } from "./iptables-order.ts";

const rule = (address: string, to: string) =>
  `-A KUBE-SERVICES -d ${address}/32 -p tcp -m comment --comment "bench/service:http cluster IP" -m tcp --dport 80 -j ${to}`;
const shape = { services: 3, endpoints: 4 };
const rules = [
  "-N KUBE-SERVICES",
  ...[2, 0, 3, 1].map((service) => rule(serviceAddress(service), `KUBE-SVC-${service}`)),
  rule("203.0.113.1", "KUBE-EXT-2"),
  '-A KUBE-SERVICES -m comment --comment "last" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS',
];

test("Services are in the order of their rules, without the one that moves and without balancers' addresses", () => {
  expect(askedInOrder(rules.join("\n"), shape)).toEqual([2, 0, 1]);
});

test("rules that lack a Service are refused", () => {
  expect(() => askedInOrder(rules.slice(2).join("\n"), shape)).toThrow("2 of 3 Services");
});
