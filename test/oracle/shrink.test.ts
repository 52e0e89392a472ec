// SPDX-License-Identifier: Apache-2.0
// A failing case becomes the smallest that still fails, within the questions it may ask, and never one that passes.
import { expect, test } from "vitest";
import { clusterOf, endpointOf, serviceOf, sliceOf } from "./cluster-builder.ts";
import type { Cluster } from "./objects.ts";
import { shrink } from "./shrink.ts";

const names = ["a", "b", "c", "d", "e", "f"];
const addresses = ["10.244.1.7", "10.244.1.8", "10.244.1.9"];
const cluster = clusterOf(
  names.map((name) => serviceOf(name)),
  ...names.map((name) =>
    sliceOf(
      name,
      addresses.map((address) => endpointOf(address)),
    ),
  ),
);
const serves = ({ services }: Cluster, name: string) => services.some(({ metadata }) => metadata.name === name);
const leadsTo = ({ endpointSlices }: Cluster, name: string, address: string) =>
  endpointSlices.some(
    ({ metadata, endpoints }) =>
      metadata.name === `${name}-0` && endpoints.some((each) => each.addresses[0] === address),
  );

test.each<[string, (cluster: Cluster) => boolean, string[], string[][]]>([
  ["one Service", (each) => serves(each, "e"), ["e"], []],
  ["two Services of different halves", (each) => serves(each, "a") && serves(each, "f"), ["a", "f"], []],
  [
    "one endpoint of one Service",
    (each) => serves(each, "c") && leadsTo(each, "c", "10.244.1.8"),
    ["c"],
    [["10.244.1.8"]],
  ],
  ["anything", () => true, [], []],
])("what matters is all that is left: %s", async (_, fails, services, endpoints) => {
  const least = await shrink(cluster, async (each) => fails(each), 1000);
  expect(least?.services.map(({ metadata }) => metadata.name)).toEqual(services);
  expect(least?.endpointSlices.map((slice) => slice.endpoints.flatMap((each) => each.addresses))).toEqual(endpoints);
});

test("objects that do not fail again are not shrunk", async () => {
  expect(await shrink(cluster, async () => false, 1000)).toBeUndefined();
});

test.each([0, 1, 5, 17])(
  "no more than the given questions are asked (%i), and what is returned failed",
  async (most) => {
    const failed = new Set<Cluster>();
    let asked = 0;
    const least = await shrink(
      cluster,
      async (each) => {
        asked++;
        const fails = leadsTo(each, "d", "10.244.1.9");
        if (fails) failed.add(each);
        return fails;
      },
      most,
    );
    // The first question is whether the case fails at all.
    expect(asked).toBeLessThanOrEqual(most + 1);
    expect(failed).toContain(least);
  },
);
