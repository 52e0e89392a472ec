// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  connectionMaps,
  defaultLbMapMax,
  demandOf,
  largestMap,
  mapMemory,
  totalMib,
} from "../../../components/internal/cilium/sizing.ts";
import { chosenCiliumValues } from "../../../components/internal/cilium/values.ts";
import { load, settingOf } from "./settings.ts";

const GiB = 2 ** 30;

/** The Service map of a cluster, filled one Service after the other. */
function filled(services: readonly { endpoints: number; ports: number; exposed: boolean }[], addressesPerNode: number) {
  const entries = new Set<string>();
  const frontends = new Set<string>();
  for (const [id, { endpoints, ports, exposed }] of services.entries()) {
    const addresses = ["clusterIP"];
    if (exposed) {
      addresses.push("wildcard", "loadBalancer");
      for (let node = 0; node < addressesPerNode; node++) addresses.push(`node${node}`);
    }
    for (const address of addresses) {
      for (let port = 0; port < ports; port++) {
        frontends.add(`${id} ${address} ${port}`);
        // Slot 0 is the frontend's own, and each backend has one.
        for (let slot = 0; slot <= endpoints; slot++) entries.add(`${id} ${address} ${port} ${slot}`);
      }
    }
  }
  return { entries: entries.size, frontends: frontends.size };
}

describe("the demand of a load", () => {
  it("is what the Service map holds when it is filled entry by entry", () => {
    fc.assert(
      fc.property(
        fc.record({
          count: fc.integer({ min: 1, max: 12 }),
          exposedCount: fc.integer({ min: 0, max: 12 }),
          endpoints: fc.integer({ min: 0, max: 9 }),
          ports: fc.integer({ min: 1, max: 3 }),
          addresses: fc.integer({ min: 1, max: 3 }),
        }),
        ({ count, exposedCount, endpoints, ports, addresses }) => {
          const services = Array.from({ length: count }, (_, index) => ({
            endpoints,
            ports,
            exposed: index < exposedCount,
          }));
          const exposedServices = Math.min(count, exposedCount);
          const demand = demandOf(
            load({
              services: count,
              endpoints: count * endpoints,
              portsPerService: ports,
              exposedServices,
              addressesPerNode: addresses,
            }),
          );
          const map = filled(services, addresses);
          expect(demand.frontends).toBe(map.frontends);
          // A fraction of the endpoints is rounded up.
          expect(demand.entries - map.entries).toBeGreaterThanOrEqual(0);
          expect(demand.entries - map.entries).toBeLessThan(2 + addresses);
        },
      ),
      { examples: [[{ count: 12, exposedCount: 7, endpoints: 9, ports: 1, addresses: 1 }]] },
    );
  });

  it("never asks for less room than it has entries, nor for less than the chart's own size", () => {
    fc.assert(
      fc.property(fc.nat(20000), fc.nat(200000), fc.nat(20000), (services, endpoints, exposed) => {
        const demand = demandOf(load({ services, endpoints, exposedServices: Math.min(services, exposed) }));
        expect(demand.lbMapMax).toBeGreaterThanOrEqual(Math.max(demand.entries, defaultLbMapMax));
        expect(Number.isInteger(Math.log2(demand.lbMapMax))).toBe(true);
      }),
    );
  });

  it("overflows the chart's default with 2000 Services of 50 endpoints, as users found", () => {
    expect(demandOf(load({ services: 2000, endpoints: 100000 })).entries).toBe(102000);
  });
});

describe("the maps of connections", () => {
  // What the agent's own tests expect of its sizing by memory.
  it.each([
    [2, 131072, 65536, 131072],
    [16, 151765, 75882, 151765],
    [30, 284560, 142280, 284560],
    [240, 2276484, 1138242, 2276484],
    [360, 3414726, 1707363, 3414726],
  ])("on a node of %d GiB have the agent's sizes", (gib, tcp, any, nat) => {
    expect(connectionMaps({}, gib * GiB)).toMatchObject({ tcp, any, nat, neighbours: nat });
  });

  it("keep NAT below the connections when these are chosen", () => {
    expect(connectionMaps({ bpf: { ctTcpMax: 20000, ctAnyMax: 18000 } }, 64 * GiB)).toMatchObject({
      tcp: 20000,
      any: 18000,
      nat: Math.floor((38000 * 2) / 3),
    });
  });

  it("never exceed what the agent makes", () => {
    expect(connectionMaps({ bpf: { mapDynamicSizeRatio: 1 } }, 1024 * GiB).tcp).toBe(largestMap);
  });
});

describe("the memory of maps", () => {
  const bytesOf = (maps: ReturnType<typeof mapMemory>, name: string): number => {
    const found = maps.find(({ map }) => map === name);
    if (found === undefined) throw new Error(`No map is called ${name}.`);
    return found.bytes;
  };

  it("is for 330,000 entries in a map of a million what was measured: 45.8 MB", () => {
    const maps = mapMemory({ bpf: { lbMapMax: 2 ** 20 } }, load({ services: 30000, endpoints: 300000 }));
    expect(bytesOf(maps, "services IPv4") / 1e6).toBeCloseTo(45.8, 1);
  });

  it("counts Maglev's tables for exposed frontends only", () => {
    const maglev = { loadBalancer: { algorithm: "maglev" } };
    expect(totalMib(mapMemory(maglev, load({})))).toBe(totalMib(mapMemory({}, load({}))));
    const exposed = load({ exposedServices: 1000 });
    expect(bytesOf(mapMemory(maglev, exposed), "Maglev tables")).toBe(3000 * 65528);
    const larger = { ...maglev, maglev: { tableSize: 131071 } };
    expect(totalMib(mapMemory(larger, exposed))).toBeGreaterThan(totalMib(mapMemory(maglev, exposed)));
  });

  it("more than doubles with IPv6, and rises with preallocation and with the node's memory", () => {
    const base = totalMib(mapMemory({}, load({})));
    expect(totalMib(mapMemory({ ipv6: { enabled: true } }, load({})))).toBeGreaterThan(2 * base);
    expect(totalMib(mapMemory({ bpf: { preallocateMaps: true } }, load({})))).toBeGreaterThan(base);
    expect(totalMib(mapMemory({}, load({ nodeMemoryMib: 262144 })))).toBeGreaterThan(5 * base);
  });

  it("of full Service maps is never below that under a load", () => {
    fc.assert(
      fc.property(fc.nat(5000), fc.nat(50000), (services, endpoints) => {
        const expected = load({ services, endpoints });
        const values = chosenCiliumValues(settingOf("bare-metal", "tunnel", { load: expected }), {}, {});
        expect(totalMib(mapMemory(values, expected))).toBeLessThanOrEqual(totalMib(mapMemory(values, undefined)));
      }),
    );
  });
});
