// SPDX-License-Identifier: Apache-2.0
// Keeps one route for each other node's pods, by way of that node; its own routing protocol number tells ours from others'.

import type { PodRoute } from "../core/node-network.ts";
import { type RunIp, runIp } from "./run-ip.ts";

/** Marks our routes in `ip route show`; not registered in iproute2's rt_protos. */
const ROUTE_PROTOCOL = 157;

export interface RouteChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** One sentence for each route that could not be set. */
  readonly failures: readonly string[];
}

interface ShownRoute {
  readonly dst: string;
  readonly gateway?: string;
}

/** Sets what is missing or different and removes what no node needs any more; touches nobody else's routes. */
export async function syncDirectRoutes(routes: readonly PodRoute[], run: RunIp = runIp): Promise<RouteChanges> {
  const added: string[] = [];
  const removed: string[] = [];
  const failures: string[] = [];
  for (const family of [4, 6] as const) {
    const wanted = new Map(routes.filter((route) => route.family === family).map((route) => [route.cidr, route.via]));
    const held = await shown(family, run);
    for (const [cidr, via] of wanted) {
      if (held.get(cidr) === via) continue;
      try {
        await run([`-${family}`, "route", "replace", cidr, "via", via, "proto", String(ROUTE_PROTOCOL)]);
        added.push(cidr);
      } catch (error) {
        failures.push(
          `no route to pods in ${cidr}: ${(error as Error).message}; autoDirectNodeRoutes needs all nodes on one network segment`,
        );
      }
    }
    for (const [cidr, via] of held) {
      if (wanted.has(cidr)) continue;
      await run([`-${family}`, "route", "del", cidr, "via", via, "proto", String(ROUTE_PROTOCOL)]);
      removed.push(cidr);
    }
  }
  return { added, removed, failures };
}

async function shown(family: 4 | 6, run: RunIp): Promise<Map<string, string>> {
  const text = await run([`-${family}`, "-j", "route", "show", "proto", String(ROUTE_PROTOCOL)]);
  const routes = text.trim() === "" ? [] : (JSON.parse(text) as ShownRoute[]);
  const bits = family === 4 ? 32 : 128;
  // A route to a single address is shown without its prefix length.
  const cidrOf = (dst: string) => (dst.includes("/") ? dst : `${dst}/${bits}`);
  return new Map(routes.flatMap(({ dst, gateway }) => (gateway ? [[cidrOf(dst), gateway] as const] : [])));
}
