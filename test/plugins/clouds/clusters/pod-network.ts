// SPDX-License-Identifier: Apache-2.0
// Stands in for the platform's network: it knows the way to every Pod, and its plugin (AWS' VPC CNI, GKE's) gives addresses.
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

/**
 * Gives every machine routes to the Pods of the others, as a VPC does it for whatever plugin, and the nodes of a cluster with the
 * platform's own plugin its configuration.
 */
export const connectPods = async (directory: string, machines: Machines, controlPlane: string): Promise<void> => {
  const { body } = await clientOf(directory).require([200], "GET", "/api/v1/nodes");
  const nodes = (body.items as Node[]).filter((node) => node.spec.podCIDR !== undefined && addressOf(node) !== "");
  const routesTo = (others: readonly Node[]): string[] =>
    others.map((other) => `ip route replace ${other.spec.podCIDR} via ${addressOf(other)}`);
  await machines.run(controlPlane, routesTo(nodes).join("\n"));
  for (const { metadata, spec } of nodes) {
    const routes = routesTo(nodes.filter((other) => other.metadata.name !== metadata.name));
    const plugin = [
      `mkdir -p ${file.slice(0, file.lastIndexOf("/"))}`,
      `[ -e ${file} ] || { cat >${file}.new && mv ${file}.new ${file}; }`,
    ];
    const script = [...routes, ...(hasPodNetwork(directory) ? plugin : [])].join("\n");
    await machines.run(metadata.name, script, configuration(spec.podCIDR ?? ""));
  }
};
