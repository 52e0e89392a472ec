// SPDX-License-Identifier: Apache-2.0
// A router of its own beside the machines, which leads load balancers' addresses to nodes as a cloud's network would.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { run, runAnyway } from "../../../stacks/local/host/exec.ts";

/** Last byte of the router's own address; load balancers have those after it, machines those before it. */
const routerByte = 199;
const balancersPrefix = 26;
/** Group ids begin after the ids of nodes, which are the last bytes of their addresses. */
const firstGroup = 1000;
/**
 * A connection stays with its node while that is in the group, whoever joins or leaves; a bucket that was idle for a second
 * may go to a new node.
 */
const group = ["type", "resilient", "buckets", "512", "idle_timer", "1", "unbalanced_timer", "0"];
const settings = [
  "net.ipv4.ip_forward=1",
  // Spreads connections, not hosts.
  "net.ipv4.fib_multipath_hash_policy=1",
  // What comes in leaves by the same link, which is meant so.
  "net.ipv4.conf.all.send_redirects=0",
  "net.ipv4.conf.eth0.send_redirects=0",
  "net.ipv4.conf.all.rp_filter=0",
  "net.ipv4.conf.eth0.rp_filter=0",
];

interface Place {
  /** Bridge of the machines. */
  readonly bridge: string;
  /** The router's link on it. */
  readonly link: string;
  /** First three bytes of the machines' addresses. */
  readonly network: string;
  /** The box as a client from outside of the nodes' network. */
  readonly client: string;
}

const lastByte = (address: string): number => Number(address.split(".").at(-1));

export class LoadBalancerRouter {
  readonly #place: Place;
  /** Holds the network namespace, which goes with it, also when this process is killed: its standard input ends then. */
  readonly #holder: ChildProcess;
  readonly #routes = new Map<string, string>();

  private constructor(place: Place, holder: ChildProcess) {
    this.#place = place;
    this.#holder = holder;
  }

  /** A router on the bridge by which this box reaches the node. */
  static async open(node: string): Promise<LoadBalancerRouter> {
    const [route] = JSON.parse(await run("ip", ["-json", "route", "get", node])) as { dev: string }[];
    if (route === undefined) throw new Error(`This box knows no way to the node ${node}.`);
    const bytes = node.split(".");
    const place: Place = {
      bridge: route.dev,
      link: `lb${route.dev}`.slice(0, 15),
      network: bytes.slice(0, 3).join("."),
      client: `198.18.${bytes[2]}.1`,
    };
    const holder = spawn("unshare", ["--net", "--", "sh", "-c", "echo ready; exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const router = new LoadBalancerRouter(place, holder);
    try {
      await Promise.race([once(holder.stdout, "data"), once(holder, "error").then(([error]) => Promise.reject(error))]);
      await router.#connect();
    } catch (error) {
      await router.close();
      throw error;
    }
    return router;
  }

  async #connect(): Promise<void> {
    const { bridge, link, network, client } = this.#place;
    const own = `${network}.${routerByte}`;
    await this.#removeLink();
    await run("ip", ["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", `${this.#holder.pid}`]);
    await run("ip", ["link", "set", link, "master", bridge, "up"]);
    await this.#inside("ip", "address", "add", `${own}/24`, "dev", "eth0");
    await this.#inside("ip", "link", "set", "eth0", "up");
    await this.#inside("ip", "route", "add", "default", "via", `${network}.1`);
    await this.#inside("sysctl", "--quiet", "--write", ...settings);
    await run("ip", ["address", "replace", `${client}/32`, "dev", bridge]);
    await run("ip", ["route", "replace", `${own}/32`, "dev", bridge]);
    await run("ip", ["route", "replace", this.#balancers(), "via", own, "src", client]);
  }

  /** The kernel takes a namespace down in its own time, and its links with it: also that of a run which was killed. */
  async #removeLink(): Promise<void> {
    await runAnyway("ip", ["link", "delete", this.#place.link]);
  }

  #balancers(): string {
    return `${this.#place.network}.${256 - 2 ** (32 - balancersPrefix)}/${balancersPrefix}`;
  }

  async #inside(program: string, ...args: string[]): Promise<void> {
    await run("nsenter", [`--net=/proc/${this.#holder.pid}/ns/net`, program, ...args]);
  }

  /** Leads an address to these nodes; to none of them: connections to it fail at once. */
  async lead(address: string, nodes: readonly string[]): Promise<void> {
    const members = [...nodes].sort();
    const wanted = members.join(" ");
    if (this.#routes.get(address) === wanted) return;
    if (members.length === 0) await this.#inside("ip", "route", "replace", "unreachable", `${address}/32`);
    else await this.#spread(address, members);
    this.#routes.set(address, wanted);
  }

  async #spread(address: string, members: readonly string[]): Promise<void> {
    const id = `${firstGroup + lastByte(address)}`;
    for (const node of members) {
      await this.#inside("ip", "nexthop", "replace", "id", `${lastByte(node)}`, "via", node, "dev", "eth0");
    }
    await this.#inside("ip", "nexthop", "replace", "id", id, "group", members.map(lastByte).join("/"), ...group);
    await this.#inside("ip", "route", "replace", `${address}/32`, "nhid", id);
  }

  async forget(address: string): Promise<void> {
    const members = this.#routes.get(address);
    if (members === undefined) return;
    const where = [...(members === "" ? ["unreachable"] : []), `${address}/32`];
    await this.#inside("ip", "route", "delete", ...where);
    this.#routes.delete(address);
  }

  /** Leaves the box as it was. */
  async close(): Promise<void> {
    const { bridge, network, client } = this.#place;
    await this.#removeLink();
    for (const args of [
      ["route", "flush", this.#balancers()],
      ["route", "flush", `${network}.${routerByte}/32`],
      ["address", "flush", "dev", bridge, "to", `${client}/32`],
    ]) {
      await run("ip", args);
    }
    if (this.#holder.exitCode === null && this.#holder.pid !== undefined) {
      const ended = once(this.#holder, "close");
      this.#holder.stdin?.end();
      await ended;
    }
  }
}
