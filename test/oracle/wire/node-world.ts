// SPDX-License-Identifier: Apache-2.0
// The namespaces around one proxy under test: the outside, the node, a pod and a sandboxed pod, and what can be seen where.
import { Cleanup, connect, Netns } from "../../support/netns.ts";
import { ASIDE, CLIENT_POD, GATEWAY, HERE, LOCAL_PODS, PLACES, podAddress, SANDBOX_POD } from "../topology.ts";
import { toBytes } from "./address.ts";
import { PROTOCOL_NUMBERS } from "./frame.ts";
import { type Protocol, Socket } from "./socket.ts";

/** A device that frames are sent to the node from, and seen at when they leave it. */
export interface Edge {
  readonly netns: Netns;
  readonly tap: Socket;
  /** The hardware address of the node's end. */
  readonly node: Buffer;
}

export interface Delivery {
  readonly socket: Socket;
  readonly address: string;
  readonly protocol: Protocol;
}

const FAMILIES = [4, 6] as const;

interface Link {
  readonly ifindex: number;
  readonly address: string;
}

const linkOf = (netns: Netns, device: string): Link => JSON.parse(netns.ip("-j", "link", "show", device))[0];

export class NodeWorld {
  readonly cleanup = new Cleanup();
  readonly node: Netns;
  readonly outside: Edge;
  readonly pod: Edge;
  readonly sandbox: Edge;
  /** What is delivered to the node itself, and to the pod by itself. */
  readonly deliveries: readonly Delivery[];
  /** `address:port` of what is asked on the node by others than probes: its connections come when they like. */
  readonly own = new Set<string>();

  constructor() {
    try {
      this.node = this.#quiet("node");
      for (const [key, value] of Object.entries(NODE_SYSCTLS)) this.node.sysctl(key, value);
      this.outside = this.#wireOutside();
      this.pod = this.#wirePod("pod", [CLIENT_POD, ...LOCAL_PODS], CLIENT_POD);
      this.sandbox = this.#wirePod("sandbox", [SANDBOX_POD], undefined);
      this.deliveries = [
        ...this.#deliveries(this.node, [...HERE.addresses, ...ASIDE]),
        ...this.#deliveries(this.node, ["127.0.0.1"]),
        ...this.#deliveries(
          this.pod.netns,
          FAMILIES.map((family) => podAddress(HERE, CLIENT_POD, family)),
        ),
      ];
    } catch (error) {
      this.cleanup.run();
      throw error;
    }
  }

  /** A namespace that says nothing of its own accord. */
  #quiet(label: string): Netns {
    const netns = new Netns(label, this.cleanup);
    for (const scope of ["all", "default"]) {
      netns.sysctl(`net.ipv6.conf.${scope}.accept_dad`, "0");
      netns.sysctl(`net.ipv6.conf.${scope}.accept_ra`, "0");
      netns.sysctl(`net.ipv6.conf.${scope}.router_solicitations`, "0");
      netns.sysctl(`net.ipv6.conf.${scope}.autoconf`, "0");
      netns.sysctl(`net.ipv4.conf.${scope}.rp_filter`, "0");
    }
    return netns;
  }

  #edge(netns: Netns, device: string, nodeDevice: string): Edge {
    const tap = netns.inside(() => Socket.packets(linkOf(netns, device).ifindex));
    this.cleanup.add(() => tap.close());
    return { netns, tap, node: Buffer.from(linkOf(this.node, nodeDevice).address.replaceAll(":", ""), "hex") };
  }

  #wireOutside(): Edge {
    const netns = this.#quiet("outside");
    connect(this.node, "eth0", netns, "eth0");
    const there = linkOf(netns, "eth0").address;
    this.node.ip("address", "add", `${HERE.addresses[0]}/24`, "dev", "eth0");
    this.node.ip("address", "add", `${HERE.addresses[1]}/64`, "dev", "eth0", "nodad");
    this.node.ip("address", "add", `${ASIDE[0]}/32`, "dev", "eth0");
    this.node.ip("address", "add", `${ASIDE[1]}/128`, "dev", "eth0", "nodad");
    const others = PLACES.filter((place) => place !== HERE);
    for (const address of [...GATEWAY, ...others.flatMap((other) => other.addresses)])
      this.node.ip("neighbour", "add", address, "lladdr", there, "dev", "eth0", "nud", "permanent");
    for (const [at] of FAMILIES.entries()) {
      const family = at === 0 ? "-4" : "-6";
      this.node.ip(family, "route", "add", "default", "via", GATEWAY[at] ?? "");
      for (const other of others)
        this.node.ip(family, "route", "add", other.podCidrs[at] ?? "", "via", other.addresses[at] ?? "");
    }
    return this.#edge(netns, "eth0", "eth0");
  }

  /** A namespace that has all these pods' addresses behind it; `owned` is the one that its sockets use. */
  #wirePod(label: string, hosts: readonly number[], owned: number | undefined): Edge {
    const netns = this.#quiet(label);
    const device = `${label}0`;
    connect(this.node, device, netns, "eth0");
    const there = linkOf(netns, "eth0").address;
    for (const family of FAMILIES) {
      for (const host of hosts) {
        const address = podAddress(HERE, host, family);
        this.node.ip(`-${family}`, "route", "add", address, "dev", device);
        this.node.ip("neighbour", "add", address, "lladdr", there, "dev", device, "nud", "permanent");
      }
    }
    const edge = this.#edge(netns, "eth0", device);
    if (owned === undefined) return edge;
    const way = ["169.254.1.1", "fe80::1"] as const;
    for (const [at, family] of FAMILIES.entries()) {
      const via = way[at] ?? "";
      const bits = family === 4 ? "32" : "128";
      netns.ip(
        "address",
        "add",
        `${podAddress(HERE, owned, family)}/${bits}`,
        "dev",
        "eth0",
        ...(at === 0 ? [] : ["nodad"]),
      );
      const here = linkOf(this.node, device).address;
      netns.ip("neighbour", "add", via, "lladdr", here, "dev", "eth0", "nud", "permanent");
      netns.ip(`-${family}`, "route", "add", "default", "via", via, "dev", "eth0", "onlink");
    }
    // Its answers to what it does not serve would look like refusals by the proxy.
    netns.run("nft", "add table inet silence; add chain inet silence output { type filter hook output priority 0; };");
    netns.run("nft", "add rule inet silence output tcp flags & rst == rst drop");
    netns.run("nft", "add rule inet silence output meta l4proto { icmp, ipv6-icmp } drop");
    return edge;
  }

  #deliveries(netns: Netns, addresses: readonly string[]): Delivery[] {
    const protocols = ["tcp", "udp", "sctp"] as const;
    const all = addresses.flatMap((address) => protocols.map((protocol) => ({ address, protocol })));
    return all.map(({ address, protocol }) => {
      const socket = netns.inside(() => Socket.delivered(toBytes(address), PROTOCOL_NUMBERS[protocol]));
      this.cleanup.add(() => socket.close());
      return { socket, address, protocol };
    });
  }
}

const NODE_SYSCTLS: Readonly<Record<string, string>> = {
  "net.ipv4.ip_forward": "1",
  "net.ipv6.conf.all.forwarding": "1",
  "net.ipv6.conf.default.forwarding": "1",
  "net.ipv4.conf.all.send_redirects": "0",
  "net.ipv4.conf.default.send_redirects": "0",
  // Every refusal is heard: none is held back because there were many.
  "net.ipv4.icmp_ratemask": "0",
  "net.ipv4.icmp_ratelimit": "0",
  "net.ipv6.icmp.ratelimit": "0",
  "net.ipv6.icmp.ratemask": "3-127",
};
