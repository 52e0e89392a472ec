// SPDX-License-Identifier: Apache-2.0
// Stands in for the platform's pod network (AWS' VPC CNI, GKE's): every Pod has an address that every node can reach.
import { clientOf, hasPodNetwork } from "./cluster.ts";
import type { Machines } from "./machines.ts";

interface Node {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly podCIDR?: string };
  readonly status: { readonly addresses?: readonly { readonly type: string; readonly address: string }[] };
}

const file = "/etc/cni/net.d/10-platform.conflist";

const configuration = (podCidr: string): string =>
  JSON.stringify({
    cniVersion: "0.4.0",
    name: "simulated-platform",
    plugins: [
      {
        type: "ptp",
        mtu: 1500,
        ipam: { type: "host-local", ranges: [[{ subnet: podCidr }]], routes: [{ dst: "0.0.0.0/0" }] },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  });

const addressOf = (node: Node): string =>
  node.status.addresses?.find(({ type }) => type === "InternalIP")?.address ?? "";

/** Brings all nodes that know their range to one network: a configuration for the plugin, and routes to the others' ranges. */
export const connectPods = async (directory: string, machines: Machines): Promise<void> => {
  if (!hasPodNetwork(directory)) return;
  const { body } = await clientOf(directory).require([200], "GET", "/api/v1/nodes");
  const nodes = (body.items as Node[]).filter((node) => node.spec.podCIDR !== undefined && addressOf(node) !== "");
  for (const { metadata, spec } of nodes) {
    const others = nodes.filter((other) => other.metadata.name !== metadata.name);
    const routes = others.map((other) => `ip route replace ${other.spec.podCIDR} via ${addressOf(other)}`);
    const write = `[ -e ${file} ] || { cat >${file}.new && mv ${file}.new ${file}; }`;
    await machines.run(
      metadata.name,
      [...routes, `mkdir -p ${file.slice(0, file.lastIndexOf("/"))}`, write].join("\n"),
      configuration(spec.podCIDR ?? ""),
    );
  }
};
