// SPDX-License-Identifier: Apache-2.0
// What the oracle asks of each proxy that it compares.
import type { Cluster } from "./objects.ts";
import type { Prober } from "./wire/prober.ts";

export type ProxyName = "ours" | "iptables" | "nftables";

export interface ServiceProxy {
  readonly name: ProxyName;
  /** Serves these objects, and no others, when it resolves. */
  load(cluster: Cluster): Promise<void>;
  /** Runs probes with the rights that its clients have. */
  probing<T>(run: (prober: Prober) => T): T;
  close(): Promise<void>;
}
