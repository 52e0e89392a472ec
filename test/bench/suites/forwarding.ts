// SPDX-License-Identifier: Apache-2.0
// Packets a second through a node, from a generator of XDP frames to an XDP sink, all on one core: established and new flows.
import { join } from "node:path";
import { compile } from "../../../agent/shell/kernel/compile.ts";
import { receiveFrames } from "../../support/device-offload.ts";
import { uninterrupted } from "../kernel/bpf-call.ts";
import { Generator, type Sent } from "../kernel/generator.ts";
import { measured, type Subject } from "../results.ts";
import { rotated } from "../statistics.ts";
import {
  MOST_SERVICES_OF_IPTABLES,
  MOST_SERVICES_OF_NFTABLES,
  Nonsense,
  type Suite,
  type SuiteOptions,
} from "../suite.ts";
import { BenchWorld, type Setup, type Side } from "../world/bench-world.ts";
import { iptablesOrder } from "../world/iptables-order.ts";
import { startAgent, startKubeProxy } from "../world/proxies.ts";
import { allServed } from "../world/served.ts";

const ENDPOINTS = 4;
const ESTABLISHED_FLOWS = 4_000;
/** Few enough that all rounds of all setups fit into the box's one limit of tracked connections. */
const NEW_FLOWS = 6_000;
/** Clients that exist nowhere: nobody ever answers to them. */
const CLIENT = "198.18.0.0";
const NEW_CLIENT = "198.19.0.0";

interface Road {
  readonly side: Side;
  readonly name: string;
  readonly generator: Generator;
  readonly destination: { readonly address: string; readonly port: number };
}

class ForwardingBench {
  readonly #world: BenchWorld;
  readonly #options: SuiteOptions;
  readonly #samples = new Map<string, { readonly subject: Subject; readonly rounds: number[][] }>();

  #nextFlow = 0;

  constructor(world: BenchWorld, options: SuiteOptions) {
    this.#world = world;
    this.#options = options;
  }

  async start(): Promise<Road[]> {
    const { note, objectsDir } = this.#options;
    const benchObjects = compile(join(objectsDir, "bench"), join(import.meta.dirname, "../programs"));
    await this.#world.start();
    const roads: Road[] = [];
    for (const side of this.#world.sides.values()) {
      const { setup } = side;
      note(`${this.#world.shape.services} Services into ${setup}`);
      for (const [netns, device] of [
        [side.client, "eth0"],
        [side.node, "eth0"],
        [this.#world.cluster, side.sinkDevice],
      ] as const)
        receiveFrames(netns, device);
      if (setup === "ours" || setup === "ours-xdp")
        await allServed(this.#world, side, await startAgent(this.#world, side, objectsDir));
      else if (setup === "iptables" || setup === "nftables")
        await allServed(this.#world, side, await startKubeProxy(this.#world, side, setup));
      roads.push(this.#road(side, benchObjects));
    }
    return roads;
  }

  #road(side: Side, objectsDir: string): Road {
    const { setup, node, client, sinkDevice } = side;
    const { cluster, cleanup } = this.#world;
    const direct = setup === "none" || setup === "none-again" || setup === "generator";
    const destination = direct ? this.#world.direct(this.#world.shape.services - 1) : this.#world.balancer("last");
    const names: Partial<Record<Setup, string>> = { ours: "ours (tc)", "ours-xdp": "ours (xdp)" };
    const name = names[setup] ?? setup;
    // Clients that are nowhere are behind the real one, so that no reverse path filter minds.
    for (const network of [`${CLIENT}/16`, `${NEW_CLIENT}/16`]) node.ip("route", "add", network, "dev", "eth0");
    const [sink, end] = setup === "generator" ? [node, "eth0"] : [cluster, sinkDevice];
    const generator = new Generator(objectsDir, client, node, sink, end, cleanup);
    return { side, name, generator, destination };
  }

  measure(roads: readonly Road[]): void {
    const { rounds, quick, note } = this.#options;
    const packets = quick ? 20_000 : 200_000;
    const fresh = quick ? 1_000 : NEW_FLOWS;
    // A flow's second packet may still enter state.
    for (const road of roads) this.#established(road, 2 * ESTABLISHED_FLOWS);
    for (let round = 0; round < rounds; round++) {
      note(`${this.#world.shape.services} Services, round ${round + 1} of ${rounds}`);
      for (const road of rotated(roads, round)) this.#sample(road, "established", this.#established(road, packets));
      for (const road of rotated(roads, round)) this.#sample(road, "new flows", this.#begun(road, fresh));
    }
  }

  #established({ name, generator, destination: { address, port } }: Road, packets: number): Sent {
    const flow = { destination: address, port, flags: "A", client: CLIENT, flows: ESTABLISHED_FLOWS, from: 0 } as const;
    return refuseNonsense(
      `established through ${name}`,
      packets,
      uninterrupted(() => generator.send({ ...flow, packets })),
    );
  }

  #begun(road: Road, packets: number): Sent {
    const { name, generator } = road;
    const { address, port } = this.#worstPlaced(road);
    const flow = { destination: address, port, flags: "S", client: NEW_CLIENT, flows: 0xffff_ffff, packets } as const;
    const once = (): Sent => {
      const from = this.#nextFlow;
      this.#nextFlow += packets;
      return generator.send({ ...flow, from });
    };
    return refuseNonsense(`new flows through ${name}`, packets, uninterrupted(once));
  }

  /** Of what has an order; the others are asked as ever. */
  #worstPlaced({ side, destination }: Road): Road["destination"] {
    if (side.setup !== "iptables") return destination;
    return this.#world.service(iptablesOrder(this.#world, side).at(-1) ?? 0);
  }

  #sample({ name }: Road, what: string, { meanNs }: Sent): void {
    const services = this.#world.shape.services;
    const subject = {
      suite: "forwarding",
      what,
      setup: name,
      services,
      endpoints: ENDPOINTS,
      position: "last",
    } as const;
    const samples = this.#samples.get(`${what}/${name}`) ?? {
      subject: { ...subject, unit: "Mpps", better: "more" } as const,
      rounds: [],
    };
    this.#samples.set(`${what}/${name}`, samples);
    samples.rounds.push([1e3 / meanNs]);
  }

  results() {
    return [...this.#samples.values()].map(({ subject, rounds }) => measured(subject, rounds));
  }
}

/** A packet that did not arrive was not forwarded: what is left of a full ring is no measurement. */
function refuseNonsense(what: string, packets: number, sent: Sent): Sent {
  if (sent.arrived >= packets * 0.95 && sent.arrived <= packets * 1.01) return sent;
  throw new Nonsense(`${what}: ${sent.arrived} of ${packets} packets arrived`);
}

function setupsFor(services: number): Setup[] {
  return [
    ...(["generator", "none", "ours", "ours-xdp"] as const),
    ...(services <= MOST_SERVICES_OF_IPTABLES ? (["iptables"] as const) : []),
    ...(services <= MOST_SERVICES_OF_NFTABLES ? (["nftables"] as const) : []),
    "none-again",
  ];
}

export const forwardingSuite: Suite = {
  name: "forwarding",
  what: "packets a second through a node, established and new flows",
  services: [100, 1_000, 10_000],
  async run(options, add) {
    for (const services of options.services) {
      using world = new BenchWorld({ services, endpoints: ENDPOINTS }, setupsFor(services));
      const bench = new ForwardingBench(world, options);
      bench.measure(await bench.start());
      for (const measurement of bench.results()) add(measurement);
    }
  },
};
