// SPDX-License-Identifier: Apache-2.0
// Namespaces for a comparison: one with all backends and the API server, and for each setup a node with a client before it and a Pod.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cleanup, connect, makeCgroup, mountBpffs, Netns } from "../../support/netns.ts";
import { Backends } from "./backends.ts";
import { makeCertificate } from "./certificate.ts";
import {
  API_PORT,
  BACKEND_NETWORK,
  BACKEND_PORT,
  backendAddress,
  balancerAddress,
  type ClusterNode,
  type ClusterShape,
  movingBackend,
  movingService,
  type Position,
  SERVICE_NETWORK,
  SERVICE_PORT,
  serviceAddress,
  serviceAt,
} from "./cluster-objects.ts";
import { compile } from "./compile.ts";
import { LineProcess } from "./line-process.ts";
import { LoadClient, type Target } from "./load.ts";
import type { ReplayCommand, ReplayReply } from "./replay-server.ts";

/**
 * What serves a node's Services; `ours-xdp` is ours with its native acceleration. `none` reaches backends directly,
 * `none-again` is the same once more, for the noise, and `generator` is a node whose device is the end of the road.
 */
export type Setup = "none" | "none-again" | "generator" | "ours" | "ours-xdp" | "iptables" | "nftables";

/** One node, with the client whose packets pass it. */
export interface Side {
  readonly setup: Setup;
  readonly node: Netns;
  readonly client: Netns;
  /** A Pod of the node, behind a device that is none of its outward ones. */
  readonly pod: Netns;
  readonly nodeName: string;
  readonly nodeAddress: string;
  /** Where the node reaches the API server. */
  readonly apiAddress: string;
  /** The other end of the node's way to the backends, in the cluster's namespace. */
  readonly sinkDevice: string;
  /** For ours alone: one of its own. */
  readonly bpfRoot: string;
  readonly cgroup: string;
  /** In the Pod, and in the cgroup that socket load balancing is attached to. */
  readonly inside: LoadClient;
  /** In no cgroup of ours: its packets are served at the node's device. */
  readonly outside: LoadClient;
}

const POD_DEVICE = "pod0";
/** Of the nodes' network for Pods (`nodeObject`), one for each node. */
const podAddress = (index: number): string => `10.244.1.${index}`;
const POD_GATEWAY = podAddress(254);

export class BenchWorld {
  readonly cleanup = new Cleanup();
  readonly directory = mkdtempSync(join(tmpdir(), "sansproxy-bench-"));
  readonly sides = new Map<Setup, Side>();
  readonly shape: ClusterShape;
  readonly #cluster: Netns;
  readonly #program: string;
  #api: LineProcess | undefined;
  #backends: Backends | undefined;

  constructor(shape: ClusterShape, setups: readonly Setup[]) {
    this.shape = shape;
    this.cleanup.add(() => rmSync(this.directory, { recursive: true, force: true }));
    try {
      this.#program = compile("load", this.directory);
      this.#cluster = new Netns("cluster", this.cleanup);
      this.#cluster.ip("route", "add", "local", BACKEND_NETWORK, "dev", "lo");
      this.#cluster.sysctl("net.core.somaxconn", "4096");
      for (const [index, setup] of setups.entries()) this.sides.set(setup, this.#makeSide(setup, index + 1));
    } catch (error) {
      this.cleanup.run();
      throw error;
    }
  }

  #makeSide(setup: Setup, index: number): Side {
    const bpfRoot = mountBpffs(this.cleanup);
    const cgroup = makeCgroup(this.cleanup);
    const node = new Netns(`node-${setup}`, this.cleanup);
    const client = new Netns(`client-${setup}`, this.cleanup);
    const [clientAddress, gateway] = [`10.77.${index}.1`, `10.77.${index}.2`];
    const [apiAddress, nodeAddress] = [`10.78.${index}.1`, `10.78.${index}.2`];
    connect(client, "eth0", node, "eth0");
    connect(node, "eth1", this.#cluster, `port${index}`);
    client.ip("address", "add", `${clientAddress}/24`, "dev", "eth0");
    node.ip("address", "add", `${gateway}/24`, "dev", "eth0");
    node.ip("address", "add", `${nodeAddress}/24`, "dev", "eth1");
    this.#cluster.ip("address", "add", `${apiAddress}/24`, "dev", `port${index}`);
    client.ip("route", "add", "default", "via", gateway);
    node.ip("route", "add", BACKEND_NETWORK, "via", apiAddress);
    // A Service that nobody serves is no route out of this box.
    node.ip("route", "add", "blackhole", SERVICE_NETWORK);
    this.#cluster.ip("route", "add", `10.77.${index}.0/24`, "via", nodeAddress);
    const pod = this.#makePod(setup, node, podAddress(index));
    this.#cluster.ip("route", "add", podAddress(index), "via", nodeAddress);
    node.sysctl("net.ipv4.ip_forward", "1");
    return {
      ...{ setup, node, client, pod, nodeAddress, apiAddress, nodeName: `node-${setup}`, sinkDevice: `port${index}` },
      ...{ bpfRoot, cgroup },
      inside: new LoadClient(this.#program, pod, this.cleanup, cgroup),
      outside: new LoadClient(this.#program, client, this.cleanup),
    };
  }

  /** As the CNI plugin ptp does. */
  #makePod(setup: Setup, node: Netns, address: string): Netns {
    const pod = new Netns(`pod-${setup}`, this.cleanup);
    connect(pod, "eth0", node, POD_DEVICE);
    node.ip("address", "add", POD_GATEWAY, "dev", POD_DEVICE);
    node.ip("route", "add", address, "dev", POD_DEVICE);
    pod.ip("address", "add", address, "dev", "eth0");
    pod.ip("route", "add", POD_GATEWAY, "dev", "eth0");
    pod.ip("route", "add", "default", "via", POD_GATEWAY);
    return pod;
  }

  /** Where all backends are. */
  get cluster(): Netns {
    return this.#cluster;
  }

  side(setup: Setup): Side {
    const side = this.sides.get(setup);
    if (side === undefined) throw new Error(`this world has no ${setup}`);
    return side;
  }

  /** Backends listen, and the API server's stand-in answers with all objects. */
  async start(): Promise<void> {
    await this.startBackends();
    const program = join(import.meta.dirname, "replay-server.ts");
    const argv = ["--max-old-space-size=6000", program, this.directory];
    await this.serveObjects(argv, [String(API_PORT), JSON.stringify(this.shape), JSON.stringify(this.nodes)]);
  }

  /** With the credentials that an API server and its clients need. */
  async startBackends(): Promise<void> {
    const program = compile("backends", this.directory);
    this.#backends = await Backends.start(program, this.#cluster, this.cleanup, BACKEND_PORT);
    makeCertificate(
      this.directory,
      [...this.sides.values()].map(({ apiAddress }) => apiAddress),
    );
    writeFileSync(join(this.directory, "token"), "bench\n");
  }

  /** Starts the program that changes objects when told by `api`; resolves with what it says when they are all there. */
  async serveObjects<T>(argv: readonly string[], what: readonly string[]): Promise<T> {
    const node = [process.execPath, "--disable-warning=ExperimentalWarning"];
    this.#api = new LineProcess(
      "what serves the objects",
      this.#cluster.start([...node, ...argv, ...what]),
      this.cleanup,
    );
    return await this.#api.heard<T>();
  }

  get nodes(): ClusterNode[] {
    return [...this.sides.values()].map(({ nodeName, nodeAddress }) => ({ name: nodeName, address: nodeAddress }));
  }

  get backends(): Backends {
    if (this.#backends === undefined) throw new Error("the backends were not started");
    return this.#backends;
  }

  api(command: ReplayCommand): Promise<ReplayReply> {
    if (this.#api === undefined) throw new Error("nothing serves the objects yet");
    return this.#api.ask(JSON.stringify(command));
  }

  /** A Service by its ClusterIP. */
  service(number: number): Target {
    const { endpoints } = this.shape;
    const firstBackend = backendAddress(this.shape, number);
    return { address: serviceAddress(number), port: SERVICE_PORT, firstBackend, backends: endpoints };
  }

  /** The same by the address for clients from outside. */
  balancer(position: Position): Target {
    return { ...this.service(serviceAt(this.shape, position)), address: balancerAddress(position) };
  }

  /** What a Service's client reaches without any Service: its backends in turn. */
  direct(number: number): Target {
    const address = backendAddress(this.shape, number);
    return { address, port: BACKEND_PORT, firstBackend: address, backends: this.shape.endpoints };
  }

  /** The moving Service, as answered from one place, or from one of some in a row. */
  moving(place: number, places = 1): Target {
    const address = serviceAddress(movingService(this.shape));
    return { address, port: SERVICE_PORT, firstBackend: movingBackend(place), backends: places };
  }

  [Symbol.dispose](): void {
    this.cleanup.run();
  }
}
