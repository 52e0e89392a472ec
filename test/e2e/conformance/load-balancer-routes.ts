// SPDX-License-Identifier: Apache-2.0
// Leads addresses of load balancers to the nodes with this box's own routing table, as a cloud's network would.
import { readFile, writeFile } from "node:fs/promises";
import { run } from "../../../stacks/local/host/exec.ts";

/** Spreads connections, not hosts, over the nodes of a route. */
const hashPolicy = "/proc/sys/net/ipv4/fib_multipath_hash_policy";

export class LoadBalancerRoutes {
  readonly #routes = new Map<string, string>();
  readonly #policyBefore: string;

  private constructor(policyBefore: string) {
    this.#policyBefore = policyBefore;
  }

  static async open(): Promise<LoadBalancerRoutes> {
    const before = (await readFile(hashPolicy, "utf8")).trim();
    if (before !== "1") await writeFile(hashPolicy, "1");
    return new LoadBalancerRoutes(before);
  }

  /** Leads an address to these nodes; to none of them: connections to it fail at once. */
  async lead(address: string, nodes: readonly string[]): Promise<void> {
    const hops = [...nodes].sort();
    const wanted = hops.join(" ");
    if (this.#routes.get(address) === wanted) return;
    const where = hops.length === 0 ? ["unreachable", `${address}/32`] : [`${address}/32`, ...nextHops(hops)];
    await run("ip", ["route", "replace", ...where]);
    this.#routes.set(address, wanted);
  }

  async forget(address: string): Promise<void> {
    const hops = this.#routes.get(address);
    if (hops === undefined) return;
    await run("ip", ["route", "delete", ...(hops === "" ? ["unreachable"] : []), `${address}/32`]);
    this.#routes.delete(address);
  }

  /** Leaves the box as it was. */
  async close(): Promise<void> {
    for (const address of [...this.#routes.keys()]) await this.forget(address);
    if (this.#policyBefore !== "1") await writeFile(hashPolicy, this.#policyBefore);
  }
}

const nextHops = (nodes: readonly string[]): string[] => {
  const [only] = nodes;
  if (nodes.length === 1 && only !== undefined) return ["via", only];
  return nodes.flatMap((node) => ["nexthop", "via", node]);
};
