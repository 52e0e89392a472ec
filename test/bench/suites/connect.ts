// SPDX-License-Identifier: Apache-2.0
// connect(), short connections and keep-alive against the number of Services: nobody, we, and kube-proxy side by side.
import { meanRunNs } from "../kernel/program-statistics.ts";
import { type Measurement, measured, type Subject } from "../results.ts";
import { rotated } from "../statistics.ts";
import {
  MOST_SERVICES_OF_IPTABLES,
  MOST_SERVICES_OF_NFTABLES,
  Nonsense,
  type Suite,
  type SuiteOptions,
} from "../suite.ts";
import { BenchWorld, type Setup } from "../world/bench-world.ts";
import { type ClusterShape, type Position, positions, serviceAt } from "../world/cluster-objects.ts";
import { iptablesOrder } from "../world/iptables-order.ts";
import type { LoadClient, Tally, Target } from "../world/load.ts";
import { type ServiceProxy, startAgent, startKubeProxy } from "../world/proxies.ts";
import { allServed } from "../world/served.ts";

const ENDPOINTS = 4;
const WARM_UP = 50;

/** One way to reach a Service that is measured. */
interface Road {
  readonly setup: string;
  readonly client: LoadClient;
  readonly target: (position: Position) => Target;
}

interface Samples {
  readonly subject: Subject;
  readonly rounds: number[][];
}

class ConnectBench {
  readonly #world: BenchWorld;
  readonly #options: SuiteOptions;
  readonly #proxies = new Map<Setup, ServiceProxy>();
  readonly #samples = new Map<string, Samples>();

  constructor(world: BenchWorld, options: SuiteOptions) {
    this.#world = world;
    this.#options = options;
  }

  get #shape(): ClusterShape {
    return this.#world.shape;
  }

  async start(): Promise<void> {
    const { note, objectsDir } = this.#options;
    await this.#world.start();
    for (const side of this.#world.sides.values()) {
      const { setup } = side;
      if (setup !== "ours" && setup !== "iptables" && setup !== "nftables") continue;
      note(`${this.#shape.services} Services into ${setup}`);
      const proxy =
        setup === "ours"
          ? await startAgent(this.#world, side, objectsDir)
          : await startKubeProxy(this.#world, side, setup);
      this.#proxies.set(setup, proxy);
      await allServed(this.#world, side, proxy);
    }
  }

  /** As they are now: kube-proxy's iptables mode may have put its Services into another order. */
  #roads(): Road[] {
    const world = this.#world;
    const roads: Road[] = [];
    for (const side of world.sides.values()) {
      const { setup, inside, outside } = side;
      const order = setup === "iptables" ? iptablesOrder(world, side) : undefined;
      const service = (position: Position) => {
        const place = serviceAt(this.#shape, position);
        return world.service(order?.[place] ?? place);
      };
      if (setup === "none" || setup === "none-again") {
        roads.push({ setup, client: outside, target: (position) => world.direct(serviceAt(this.#shape, position)) });
      } else if (setup === "ours") {
        roads.push({ setup: "ours (socket)", client: inside, target: service });
        roads.push({ setup: "ours (tc)", client: outside, target: (position) => world.balancer(position) });
      } else {
        roads.push({ setup, client: outside, target: service });
      }
    }
    return roads;
  }

  async measure(): Promise<void> {
    const { quick, rounds, note } = this.#options;
    const [connects, ms] = quick ? [40, 20] : [400, 250];
    for (const { client, target } of this.#roads()) await client.connects(target("last"), WARM_UP);
    for (let round = 0; round < rounds; round++) {
      note(`${this.#shape.services} Services, round ${round + 1} of ${rounds}`);
      const roads = this.#roads();
      for (const position of positions)
        for (const road of rotated(roads, round)) await this.#connects(road, position, connects);
      for (const road of rotated(roads, round)) await this.#rates(road, ms);
    }
    for (const road of this.#roads()) if (road.setup.startsWith("ours")) await this.#programs(road, connects);
  }

  /** What the kernel says our programs took for the packets and calls of one road, apart from everything timed above. */
  async #programs({ setup, client, target }: Road, connects: number): Promise<void> {
    const names = ["connect4", "socket_egress", "node_ingress", "node_egress"];
    const means = await meanRunNs(this.#world.side("ours").bpfRoot, names, async () => {
      await client.connects(target("middle"), connects);
    });
    for (const [name, ns] of means) this.#sample(`program ${name}`, setup, "middle", "ns", "less").rounds.push([ns]);
  }

  async #connects({ setup, client, target }: Road, position: Position, samples: number): Promise<void> {
    const { ns, ...tally } = await client.connects(target(position), samples);
    refuseNonsense(`connect to the ${position} Service through ${setup}`, tally);
    this.#sample("connect", setup, position, "µs", "less").rounds.push(ns.map((one) => one / 1000));
  }

  async #rates({ setup, client, target }: Road, ms: number): Promise<void> {
    for (const [what, tally] of [
      ["short connections", await client.shortConnections(target("last"), ms)],
      ["keep-alive", await client.keepAlive(target("last"), ms)],
    ] as const) {
      refuseNonsense(`${what} through ${setup}`, tally);
      this.#sample(what, setup, "last", "per second", "more").rounds.push([(tally.done / tally.wallNs) * 1e9]);
      this.#sample(`CPU of ${what}`, setup, "last", "µs", "less").rounds.push([tally.cpuUs / tally.done]);
    }
  }

  #sample(
    what: string,
    setup: string,
    position: Position | undefined,
    unit: Subject["unit"],
    better: Subject["better"],
  ) {
    const key = `${what}/${setup}/${position}`;
    const subject: Subject = {
      ...{ suite: "connect", what, setup, services: this.#shape.services, endpoints: ENDPOINTS, unit, better },
      ...(position === undefined ? {} : { position }),
    };
    const samples = this.#samples.get(key) ?? { subject, rounds: [] };
    this.#samples.set(key, samples);
    return samples;
  }

  results(): Measurement[] {
    const measurements = [...this.#samples.values()].map(({ subject, rounds }) => measured(subject, rounds));
    for (const [setup, proxy] of this.#proxies) {
      const { rssMb, cpuSeconds } = proxy.usage();
      const { services } = this.#shape;
      const subject = { suite: "connect", what: "RSS of the proxy", setup, services, endpoints: ENDPOINTS } as const;
      measurements.push(measured({ ...subject, unit: "MB", better: "less", cpuSeconds }, [[rssMb]]));
    }
    return measurements;
  }
}

/** A few may fail on a busy box; what was answered must be right. */
function refuseNonsense(what: string, { done, wrong, failed }: Tally): void {
  if (wrong > 0) throw new Nonsense(`${what}: ${wrong} of ${done + wrong + failed} were answered by a wrong backend`);
  if (done === 0 || failed > done / 20) throw new Nonsense(`${what}: ${failed} failed and ${done} did not`);
}

/** Who can be asked for so many Services without holding the machine for minutes. */
function setupsFor(services: number): Setup[] {
  return [
    ...(["none", "ours"] as const),
    ...(services <= MOST_SERVICES_OF_IPTABLES ? (["iptables"] as const) : []),
    ...(services <= MOST_SERVICES_OF_NFTABLES ? (["nftables"] as const) : []),
    "none-again",
  ];
}

export const connectSuite: Suite = {
  name: "connect",
  what: "connect(), short connections and keep-alive against the number of Services",
  services: [1, 10, 100, 1_000, 10_000, 30_000, 100_000],
  async run(options, add) {
    for (const services of options.services) {
      using world = new BenchWorld({ services, endpoints: ENDPOINTS }, setupsFor(services));
      const bench = new ConnectBench(world, options);
      await bench.start();
      await bench.measure();
      for (const measurement of bench.results()) add(measurement);
    }
  },
};
