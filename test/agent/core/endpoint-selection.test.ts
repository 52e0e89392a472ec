// SPDX-License-Identifier: Apache-2.0
// A table of topology hints and conditions: which endpoints a node in zone z1 gives out, and why.

import { describe, expect, test } from "vitest";
import {
  judgeEndpoints,
  type PortQuery,
  type SelectedEndpoints,
  selectEndpoints,
} from "../../../agent/core/endpoint-selection.ts";
import { readEndpointSlice } from "../../../agent/core/kubernetes-objects.ts";
import { backendId } from "../../../agent/core/operation.ts";

const HERE: PortQuery = { portName: "", protocol: 6, family: 4, nodeName: "n1", zone: "z1" };

interface TestEndpoint {
  readonly node?: string;
  readonly zones?: readonly string[];
  readonly nodes?: readonly string[];
  readonly conditions?: Record<string, boolean>;
}

const draining = { ready: false, serving: true, terminating: true };
const names = (of: readonly string[] | undefined) => of?.map((name) => ({ name }));

function select(endpoints: readonly TestEndpoint[], query: PortQuery = HERE) {
  const slice = readEndpointSlice({
    metadata: { namespace: "ns", name: "s" },
    addressType: "IPv4",
    ports: [{ name: "", protocol: "TCP", port: 80 }],
    endpoints: endpoints.map(({ node, zones, nodes, conditions }, index) => ({
      addresses: [`10.0.0.${index}`],
      nodeName: node,
      conditions,
      hints: { forZones: names(zones), forNodes: names(nodes) },
    })),
  });
  const { cluster, local, any } = selectEndpoints([slice], query);
  const last = ({ backends, ids }: SelectedEndpoints) => {
    expect(ids).toEqual(backends.map(backendId));
    return backends.map(({ address }) => address.slice(7)).join("");
  };
  return { cluster: last(cluster), local: last(local), any, judged: judgeEndpoints([slice], query) };
}

describe("with traffic distribution", () => {
  const cases: [what: string, endpoints: TestEndpoint[], expected: string][] = [
    ["endpoints without hints are all used", [{}, {}], "01"],
    [
      "those hinted for this zone are used alone",
      [{ zones: ["z1"] }, { zones: ["z2"] }, { zones: ["z2", "z1"] }],
      "02",
    ],
    ["one without a zone hint makes all count", [{ zones: ["z1"] }, {}, { zones: ["z2"] }], "012"],
    ["no hint for this zone makes all count", [{ zones: ["z2"] }, { zones: ["z3"] }], "01"],
    ["an unready one needs no hint", [{ zones: ["z1"] }, { zones: ["z2"] }, { conditions: { ready: false } }], "0"],
    [
      "an unready one near does not count as near",
      [{ zones: ["z1"], conditions: { ready: false } }, { zones: ["z2"] }],
      "1",
    ],
    [
      "those hinted for this node come before the zone",
      [
        { zones: ["z1"], nodes: ["n1"] },
        { zones: ["z1"], nodes: ["n2"] },
      ],
      "0",
    ],
    [
      "the zone serves where the node has none",
      [
        { zones: ["z1"], nodes: ["n2"] },
        { zones: ["z2"], nodes: ["n3"] },
      ],
      "0",
    ],
    [
      "a missing node hint leaves the zone",
      [{ zones: ["z1"], nodes: ["n1"] }, { zones: ["z1"] }, { zones: ["z2"] }],
      "01",
    ],
    ["with none ready, all that serve while they terminate are used", [{ zones: ["z2"], conditions: draining }], "0"],
  ];
  test.each(cases)("%s", (_, endpoints, expected) => {
    expect(select(endpoints).cluster).toBe(expected);
  });

  test("a node without a zone uses all", () => {
    expect(select([{ zones: ["z1"] }, { zones: ["z2"] }], { ...HERE, zone: "" }).cluster).toBe("01");
  });

  test("hints do not concern traffic policy Local", () => {
    expect(
      select([
        { zones: ["z2"], node: "n1" },
        { zones: ["z1"], node: "n2" },
      ]),
    ).toMatchObject({ cluster: "1", local: "0" });
  });
});

test("a terminating endpoint here is the fallback of Local while others elsewhere are ready", () => {
  expect(select([{ node: "n1", conditions: draining }, { node: "n2" }])).toMatchObject({ cluster: "1", local: "0" });
});

test("endpoints that nobody may use are no endpoints", () => {
  expect(select([{ conditions: { ready: false } }]).any).toBe(false);
  expect(select([{ conditions: draining }]).any).toBe(true);
  expect(select([{ conditions: { ready: false, serving: false, terminating: true } }]).any).toBe(false);
});

test("each endpoint says why it is in or out", () => {
  const { judged } = select([
    { node: "n1", zones: ["z1"] },
    { node: "n2", zones: ["z2"] },
    { node: "n1", conditions: { ready: false } },
    { node: "n1", conditions: draining },
  ]);
  expect(judged.map(({ cluster, local }) => [cluster.why, local.why])).toEqual([
    ["is ready and hinted for zone z1", "is ready"],
    ["is ready, but hinted for zone z2", "is on another node"],
    ["is not ready", "is not ready"],
    ["terminates while others are ready", "terminates while others are ready"],
  ]);
});
