// SPDX-License-Identifier: Apache-2.0
// In which order kube-proxy's iptables mode asks for Services: that of a map of Go's, another one each time that it writes its rules.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchWorld, Side } from "./bench-world.ts";
import { type ClusterShape, serviceNumber } from "./cluster-objects.ts";
import { LEGACY_PROGRAM } from "./legacy-iptables.ts";

const CLUSTER_IP = / -d ([0-9.]+)\/32 .* -j KUBE-SVC-/;

/** Numbers of the Services whose ClusterIPs these rules (`iptables -S`) lead on, first to last. Throws when some are missing. */
export function askedInOrder(rules: string, { services }: ClusterShape): number[] {
  const asked = rules
    .split("\n")
    .flatMap((rule) => CLUSTER_IP.exec(rule)?.[1] ?? [])
    .map(serviceNumber)
    // The one whose endpoint moves is none of those that are measured.
    .filter((service) => service >= 0 && service < services);
  if (asked.length !== services) throw new Error(`KUBE-SERVICES leads on ${asked.length} of ${services} Services`);
  return asked;
}

/** The same of a node as it is now. */
export function iptablesOrder({ directory, shape }: BenchWorld, { node }: Side): number[] {
  const file = join(directory, "kube-services");
  node.run("sh", "-c", `${LEGACY_PROGRAM} iptables -t nat -S KUBE-SERVICES > ${file}`);
  return askedInOrder(readFileSync(file, "utf8"), shape);
}
