// SPDX-License-Identifier: Apache-2.0
// A small LAN of namespaces: a client, our node with one pod, and another node with one pod.
import type { FrontendEntry, NodeNetwork, Protocol } from "../../agent/core/operation.ts";
import { compile } from "../../agent/shell/kernel/compile.ts";
import { Datapath, type DatapathOptions, type MapSizes } from "../../agent/shell/kernel/datapath.ts";
import { receiveFrames, setOffload } from "../support/device-offload.ts";
import { Cleanup, connect, makeCgroup, mountBpffs, Netns } from "../support/netns.ts";
import { Talker } from "./talker.ts";

export const TCP: Protocol = 6;
export const UDP: Protocol = 17;
export const SCTP: Protocol = 132;

export const CLIENT = "10.77.0.1";
export const NODE = "10.77.0.2";
export const OTHER_NODE = "10.77.0.3";
export const POD = "10.244.1.5";
export const OTHER_POD = "10.244.2.5";

export const CLIENT6 = "fd77::1";
export const NODE6 = "fd77::2";
export const OTHER_NODE6 = "fd77::3";
export const POD6 = "fd44:1::5";
export const OTHER_POD6 = "fd44:2::5";

export const network: NodeNetwork = {
  nodeAddresses: [NODE],
  clusterNodeAddresses: [NODE, OTHER_NODE],
  masqueradeAddresses: [NODE],
  podCidrs: ["10.244.1.0/24"],
  clusterPodCidrs: ["10.244.0.0/16"],
  nonMasqueradeCidrs: [NODE, OTHER_NODE],
  nodePortRange: { first: 30_000, last: 32_767 },
  masquerade: [4, 6],
  socketLb: true,
};

/** Of a world with `addIpv6`. */
export const dualNetwork: NodeNetwork = {
  ...network,
  nodeAddresses: [NODE, NODE6],
  masqueradeAddresses: [NODE, NODE6],
  clusterNodeAddresses: [NODE, NODE6, OTHER_NODE, OTHER_NODE6],
  podCidrs: ["10.244.1.0/24", "fd44:1::/64"],
  clusterPodCidrs: ["10.244.0.0/16", "fd44::/16"],
  nonMasqueradeCidrs: [...network.nonMasqueradeCidrs, NODE6, OTHER_NODE6],
};

/** Small maps: a test fills them, and makes many. */
export const testSizes: Partial<MapSizes> = {
  frontends: 256,
  selections: 256,
  arena: 1024,
  backends: 256,
  sourceRanges: 64,
  affinities: 256,
  flows: 4096,
  fragments: 64,
  socketFlows: 4096,
};

/** The far end of our node's eth0. */
const NODE_PORT_OF_LAN = "port1";

let objects: string | undefined;

/** The compiled programs, built once for each run of a test file. */
export const objectsDir = (): string => {
  objects ??= compile();
  return objects;
};

export class World {
  readonly cleanup = new Cleanup();
  readonly bpfRoot: string;
  readonly cgroup: string;
  readonly lan: Netns;
  readonly client: Netns;
  readonly node: Netns;
  readonly otherNode: Netns;
  readonly pod: Netns;

  constructor() {
    try {
      this.bpfRoot = mountBpffs(this.cleanup);
      this.cgroup = makeCgroup(this.cleanup);
      this.lan = new Netns("lan", this.cleanup);
      this.client = new Netns("client", this.cleanup);
      this.node = new Netns("node", this.cleanup);
      this.otherNode = new Netns("other", this.cleanup);
      this.pod = new Netns("pod", this.cleanup);
      this.#wire(this.lan);
    } catch (error) {
      this.cleanup.run();
      throw error;
    }
  }

  #wire(lan: Netns): void {
    lan.ip("link", "add", "lan0", "type", "bridge");
    lan.ip("link", "set", "lan0", "up");
    for (const [index, [netns, address]] of [
      [this.client, CLIENT] as const,
      [this.node, NODE] as const,
      [this.otherNode, OTHER_NODE] as const,
    ].entries()) {
      connect(netns, "eth0", lan, `port${index}`);
      lan.ip("link", "set", `port${index}`, "master", "lan0");
      netns.ip("address", "add", `${address}/24`, "dev", "eth0");
    }
    connect(this.node, "pod0", this.pod, "eth0");
    this.pod.ip("address", "add", `${POD}/32`, "dev", "eth0");
    this.pod.ip("route", "add", "169.254.1.1", "dev", "eth0", "scope", "link");
    this.pod.ip("route", "add", "default", "via", "169.254.1.1");
    this.node.ip("address", "add", "169.254.1.1/32", "dev", "pod0");
    this.node.ip("route", "add", POD, "dev", "pod0");
    this.node.ip("route", "add", "10.244.2.0/24", "via", OTHER_NODE);
    this.otherNode.ip("address", "add", `${OTHER_POD}/32`, "dev", "lo");
    this.otherNode.ip("route", "add", "10.244.1.0/24", "via", NODE);
    this.client.ip("route", "add", "default", "via", NODE);
    for (const node of [this.node, this.otherNode]) {
      node.sysctl("net.ipv4.ip_forward", "1");
      // As strict as distributions are, so that a packet on a wrong road is seen.
      node.sysctl("net.ipv4.conf.all.rp_filter", "1");
      node.sysctl("net.ipv4.conf.eth0.rp_filter", "1");
    }
  }

  /** The same addresses, pods and routes again in IPv6. */
  addIpv6(): void {
    for (const [netns, address] of [
      [this.client, CLIENT6],
      [this.node, NODE6],
      [this.otherNode, OTHER_NODE6],
    ] as const) {
      netns.ip("address", "add", `${address}/64`, "dev", "eth0", "nodad");
      netns.sysctl("net.ipv6.conf.all.forwarding", "1");
    }
    this.node.ip("address", "add", "fd44:1::1/128", "dev", "pod0", "nodad");
    this.node.ip("route", "add", POD6, "dev", "pod0");
    this.node.ip("route", "add", "fd44:2::/64", "via", OTHER_NODE6);
    this.pod.ip("address", "add", `${POD6}/128`, "dev", "eth0", "nodad");
    this.pod.ip("route", "add", "fd44:1::1", "dev", "eth0");
    this.pod.ip("route", "add", "default", "via", "fd44:1::1", "dev", "eth0");
    this.otherNode.ip("address", "add", `${OTHER_POD6}/128`, "dev", "lo", "nodad");
    this.otherNode.ip("route", "add", "fd44:1::/64", "via", NODE6);
    this.client.ip("route", "add", "default", "via", NODE6);
  }

  /** A datapath in our node's namespace, closed with the world. */
  datapath(sizes: Partial<MapSizes> = testSizes, more: Partial<DatapathOptions> = {}): Datapath {
    const options = { bpfRoot: this.bpfRoot, cgroupRoot: this.cgroup, objectsDir: objectsDir(), sizes, ...more };
    const datapath = this.node.inside(() => new Datapath(options));
    this.cleanup.add(() => datapath.close());
    return datapath;
  }

  attach(
    datapath: Pick<Datapath, "attach">,
    devices: readonly string[] = ["eth0"],
    podDevices: readonly string[] = [],
    sctpDevices: readonly string[] = [],
    loopback: readonly string[] = [],
  ) {
    return this.node.inside(() => datapath.attach(devices, podDevices, sctpDevices, loopback));
  }

  /**
   * As a wire to our node's eth0 is: whole checksums, and a far end that takes XDP frames. veth leaves checksums to devices
   * that never compute them, and drops frames for a peer that does not poll.
   */
  makeWire(): void {
    for (const netns of [this.client, this.otherNode]) setOffload(netns, "eth0", "tx", false);
    receiveFrames(this.lan, NODE_PORT_OF_LAN);
  }

  /** Our node knows the Ethernet addresses of all on its network, as if it had talked to them. */
  meetNeighbours(): void {
    for (const [netns, addresses] of [
      [this.client, [CLIENT, CLIENT6]],
      [this.otherNode, [OTHER_NODE, OTHER_NODE6]],
    ] as const) {
      const [link] = JSON.parse(netns.ip("-j", "link", "show", "eth0")) as { address: string }[];
      for (const address of addresses)
        this.node.ip("neighbour", "replace", address, "lladdr", link?.address ?? "", "dev", "eth0", "nud", "permanent");
    }
  }

  /** A talker; one that is `served` runs in the cgroup that socket load balancing is attached to, or in one below. */
  talker(netns: Netns, served: boolean | string = false): Talker {
    return new Talker(netns, this.cleanup, typeof served === "string" ? served : served ? this.cgroup : undefined);
  }
}

/** What `serve` has used of each datapath: ids of selections and backends, and arena cells. */
const used = new WeakMap<object, { ids: number; cells: number }>();

export interface ServedBackend {
  readonly address: string;
  readonly port: number;
}

export interface Served extends Partial<FrontendEntry> {
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly ranges?: readonly string[];
  /** What packets from outside are given, when that differs. */
  readonly external?: readonly ServedBackend[];
}

/** Writes one Service port in the order that is safe, and returns its selection. */
export function serve(datapath: Pick<Datapath, "apply">, frontend: Served, backends: readonly ServedBackend[]): number {
  const { address, port, protocol, ranges = [], external, ...policies } = frontend;
  const selection = select(datapath, protocol, backends);
  const service = policies.service ?? selection;
  for (const cidr of ranges) datapath.apply({ kind: "upsert-source-range", range: { service, cidr } });
  datapath.apply({
    kind: "upsert-frontend",
    key: { address, port, protocol },
    entry: {
      selection,
      externalSelection: external === undefined ? selection : select(datapath, protocol, external),
      noEndpoint: "reject",
      affinitySeconds: 0,
      sourceRanges: ranges.length > 0,
      service,
      scope: "external",
      ...policies,
    },
  });
  return selection;
}

/** A new selection of new backends. */
function select(datapath: Pick<Datapath, "apply">, protocol: Protocol, backends: readonly ServedBackend[]): number {
  const next = used.get(datapath) ?? { ids: 1, cells: 0 };
  used.set(datapath, next);
  const selection = next.ids++;
  const ids = backends.map((backend) => {
    const id = next.ids++;
    datapath.apply({ kind: "write-backend", id, backend: { ...backend, protocol } });
    return id;
  });
  datapath.apply({ kind: "write-extent", offset: next.cells, backendIds: ids });
  datapath.apply({
    kind: "flip-selection",
    id: selection,
    selection: { offset: next.cells, count: ids.length, generation: 1 },
  });
  next.cells += ids.length;
  return selection;
}
