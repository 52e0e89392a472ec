// SPDX-License-Identifier: Apache-2.0
// Which of the nodes' addresses NodePorts are served at.

import { expect, test } from "vitest";
import { nodePortAddresses } from "../../../agent/core/node-port-addresses.ts";

const ADDRESSES = ["10.0.0.1", "192.0.2.1", "2001:db8::1", "fd00::1"];

test.each([
  ["without networks all", [], ADDRESSES],
  ["those in any of the networks, of both families", ["2001:db8::/32", "10.0.0.0/8"], ["10.0.0.1", "2001:db8::1"]],
  ["none of a family that has no network", ["0.0.0.0/0"], ["10.0.0.1", "192.0.2.1"]],
  ["one, by a network of one address", ["192.0.2.1/32"], ["192.0.2.1"]],
  ["none where no address is in a network", ["198.51.100.0/24"], []],
])("NodePorts are served at %s", (_what, cidrs, served) => {
  expect(nodePortAddresses(ADDRESSES, cidrs)).toEqual(served);
});
