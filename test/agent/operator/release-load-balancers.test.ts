// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { type LoadBalancers, releaseLoadBalancers } from "../../../agent/operator/release-load-balancers.ts";

/** A cloud that lets go of a Service so many looks after it was deleted. */
function cloud(names: string[], looks: number) {
  const removed = new Map<string, number>();
  const services: LoadBalancers = {
    list: async () => {
      for (const [name, left] of removed) removed.set(name, left - 1);
      return names.filter((name) => (removed.get(name) ?? looks + 1) > 0);
    },
    remove: async (name) => {
      if (removed.has(name)) throw new Error(`${name} was deleted twice`);
      removed.set(name, looks);
    },
  };
  return { services, removed };
}

const run = (services: LoadBalancers, timeoutMs: number, said: string[] = []) =>
  releaseLoadBalancers(services, { timeoutMs, pollMs: 1, write: (text) => said.push(text) });

describe("the release of load balancers", () => {
  test("ends when the cloud has let go of every one, each deleted once", async () => {
    const { services, removed } = cloud(["default/web", "shop/front"], 3);
    expect(await run(services, 10_000)).toBe(true);
    expect([...removed.keys()]).toEqual(["default/web", "shop/front"]);
  });

  test("does nothing where there is none", async () => {
    const { services, removed } = cloud([], 1);
    expect(await run(services, 10_000)).toBe(true);
    expect(removed.size).toBe(0);
  });

  test("names what the cloud keeps, and the remedy", async () => {
    const said: string[] = [];
    const { services } = cloud(["default/web"], Number.POSITIVE_INFINITY);
    expect(await run(services, 20, said)).toBe(false);
    expect(said.at(-1)).toMatch(/default\/web within 0.02 s; see the events .* destroy again/);
  });
});
