// SPDX-License-Identifier: Apache-2.0
// What the programs cost a packet, run by BPF_PROG_TEST_RUN with packets of many flows, net of a program that does nothing.
import { join } from "node:path";
import { compile } from "../../../agent/shell/kernel/compile.ts";
import { Datapath, type MapSizes } from "../../../agent/shell/kernel/datapath.ts";
import { receiveFrames } from "../../support/device-offload.ts";
import { Cleanup, connect, makeCgroup, mountBpffs, Netns } from "../../support/netns.ts";
import { uninterrupted } from "../kernel/bpf-call.ts";
import { type Drive, Driver } from "../kernel/driver.ts";
import { type FilledShape, fillDatapath, MAGLEV_CELLS, NODE_PORTS } from "../kernel/fill-datapath.ts";
import { measured } from "../results.ts";
import { Nonsense, type Suite, type SuiteOptions } from "../suite.ts";
import { addressNumber, SERVICE_PORT, serviceAddress } from "../world/cluster-objects.ts";
import { type Case, CLIENTS, cases, FLOWS, handedOver, NODE, type Place } from "./program-cases.ts";

const ENDPOINTS = 10;
/** The node of all backends that are elsewhere: only a node is handed packets. */
const OTHER_NODE = "10.78.1.3";

const sizesFor = (services: number): Partial<MapSizes> => ({
  frontends: 2 * (services + NODE_PORTS),
  selections: 2 * (services + NODE_PORTS),
  arena: 2 * (services * ENDPOINTS + NODE_PORTS) + NODE_PORTS * MAGLEV_CELLS,
  backends: 2 * (services * ENDPOINTS + NODE_PORTS),
  flows: 524_288,
});

class ProgramBench {
  readonly #options: SuiteOptions;
  readonly #services: number;
  readonly #datapath: Datapath;
  readonly #driver: Driver;
  readonly #shape: FilledShape;
  readonly #add: Parameters<Suite["run"]>[1];

  constructor(services: number, options: SuiteOptions, cleanup: Cleanup, add: Parameters<Suite["run"]>[1]) {
    this.#options = options;
    this.#services = services;
    this.#add = add;
    const bpfRoot = mountBpffs(cleanup);
    const [node, outside] = [new Netns("node", cleanup), new Netns("outside", cleanup)];
    connect(node, "eth0", outside, "eth0");
    receiveFrames(outside, "eth0");
    node.ip("address", "add", `${NODE}/24`, "dev", "eth0");
    node.ip("route", "add", "default", "via", "10.78.1.1");
    node.sysctl("net.ipv4.ip_forward", "1");
    const sizes = sizesFor(services);
    const objectsDir = compile(join(options.objectsDir, "bench"), join(import.meta.dirname, "../programs"));
    const datapath = { bpfRoot, cgroupRoot: makeCgroup(cleanup), objectsDir: options.objectsDir, sizes };
    this.#datapath = new Datapath({ ...datapath, acceleration: "native" });
    cleanup.add(() => this.#datapath.close());
    // XDP runs for a device that has it, and forwards to neighbours that are known.
    node.inside(() => this.#datapath.attach(["eth0"]));
    for (const [address, mac] of [
      ["10.78.1.1", "02:00:00:00:00:01"],
      [OTHER_NODE, "02:00:00:00:00:03"],
    ] as const)
      node.ip("neighbour", "replace", address, "lladdr", mac, "dev", "eth0", "nud", "permanent");
    node.ip("route", "add", "10.128.0.0/9", "via", OTHER_NODE);
    this.#shape = fillDatapath(this.#datapath, { services, endpoints: ENDPOINTS });
    this.#driver = new Driver(objectsDir, bpfRoot, sizes, node, "eth0", cleanup);
  }

  #place(place: Place): void {
    this.#datapath.configure({
      nodeAddresses: [NODE],
      clusterNodeAddresses: [NODE, OTHER_NODE],
      masqueradeAddresses: [NODE],
      podCidrs: place === "here" ? ["10.128.0.0/9"] : ["10.244.1.0/24"],
      clusterPodCidrs: ["10.0.0.0/8"],
      nonMasqueradeCidrs: [],
      nodePortRange: { first: 30_000, last: 32_767 },
      masquerade: [4, 6],
      socketLb: true,
      dsr: place === "handed over",
    });
  }

  measure(): void {
    this.#place("here");
    this.#lookUp();
    for (const one of cases(this.#shape, "here", 0)) this.#case(one);
    this.#place("elsewhere");
    for (const one of cases(this.#shape, "elsewhere", 16)) this.#case(one);
    this.#place("handed over");
    this.#shape.handOverNodePorts();
    for (const one of handedOver(32)) this.#case(one);
  }

  #report(what: string, rounds: readonly (readonly number[])[]): void {
    const subject = { suite: "programs", what, setup: "ours", services: this.#services, endpoints: ENDPOINTS } as const;
    this.#add(measured({ ...subject, unit: "ns", better: "less" }, rounds));
  }

  get #repeat(): number {
    return this.#options.quick ? 2_000 : FLOWS.many;
  }

  #lookUp(): void {
    this.#options.note(`${this.#services} Services, look-up`);
    const programs = [
      ["look_up", "look-up"],
      ["look_up_choose", "look-up and choice"],
    ] as const;
    const address = addressNumber(serviceAddress(0));
    const service = { services: this.#services, flows: this.#services, address, addressStep: 1, port: SERVICE_PORT };
    const drive: Drive = { ...service, portStep: 0, order: "random", client: CLIENTS };
    const rounds = new Map(programs.map(([, what]): [string, number[][]] => [what, []]));
    for (let round = 0; round < this.#options.rounds; round++) {
      for (const [program, what] of programs) {
        const nothing = uninterrupted(() => this.#driver.run("look_up_null", drive, this.#repeat));
        const { meanNs, verdict } = uninterrupted(() => this.#driver.run(program, drive, this.#repeat));
        if (verdict !== 0) throw new Nonsense(`a ${what} among ${this.#services} Services found nothing (${verdict})`);
        rounds.get(what)?.push([meanNs - nothing.meanNs]);
      }
    }
    for (const [what, all] of rounds) this.#report(what, all);
  }

  #program(name: string): number {
    const fd = this.#datapath.programs().get(name);
    if (fd === undefined) throw new Error(`the datapath has no program ${name}`);
    return fd;
  }

  #case({ what, program, drive, begins, counter, warms = true, road = "tc", prelude }: Case): void {
    this.#options.note(`${this.#services} Services, ${what}`);
    const fd = this.#program(program);
    // A flow's second packet enters the second half of its state, and one in mid-stream what a CPU keeps of it.
    if (!begins && warms)
      for (const first of [true, true, false]) {
        const warmUp = { ...drive, order: "ascending", begins: first } as const;
        uninterrupted(() => this.#driver.packets(fd, warmUp, drive.flows, road));
      }
    // So many new flows that the state has room for all of every round.
    const repeat = begins || prelude !== undefined ? Math.min(4_000, this.#repeat) : this.#repeat;
    let from = 0;
    const once = (): number => {
      // Flows that an interrupted attempt has begun are not new any more.
      const now = { ...drive, from };
      from += repeat;
      if (prelude) this.#driver.packets(this.#program(prelude.program), { ...prelude.drive, from: now.from }, repeat);
      const nothing = this.#driver.packets("nothing", now, repeat, road);
      const before = this.#datapath.counters();
      const { meanNs } = this.#driver.packets(fd, now, repeat, road);
      this.#refuseNonsense(what, before, counter, repeat);
      if (begins) this.#refuseNonsense(what, before, "new_service_flow", repeat);
      return meanNs - nothing.meanNs;
    };
    const rounds = Array.from({ length: this.#options.rounds }, () => [uninterrupted(once)]);
    this.#report(what, rounds);
  }

  /** Every packet must have been served in the way that is measured; the rare flow that met another's port may not. */
  #refuseNonsense(what: string, before: Readonly<Record<string, bigint>>, counter: string, repeat: number): void {
    const after = this.#datapath.counters();
    const counted = Number((after[counter] ?? 0n) - (before[counter] ?? 0n));
    if (counted >= repeat * 0.99 && counted <= repeat * 1.01) return;
    const moved = Object.entries(after).filter(([name, value]) => value !== before[name]);
    const seen = moved.map(([name, value]) => `${name} ${value - (before[name] ?? 0n)}`).join(", ");
    throw new Nonsense(`${what}: ${repeat} packets gave ${counted} ${counter} (${seen})`);
  }
}

export const programsSuite: Suite = {
  name: "programs",
  what: "packet programs, net of a null program",
  services: [100, 1_000, 10_000, 100_000],
  async run(options, add) {
    for (const services of options.services) {
      options.note(`${services} Services into the maps`);
      const cleanup = new Cleanup();
      try {
        new ProgramBench(services, options, cleanup, add).measure();
      } finally {
        cleanup.run();
      }
    }
  },
};
