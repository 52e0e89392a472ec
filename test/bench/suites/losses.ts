// SPDX-License-Identifier: Apache-2.0
// What clients lose while endpoints change, and while the proxy is killed and started again: counts, never times.

import { type Measurement, measured } from "../results.ts";
import { MOST_SERVICES_OF_NFTABLES, Nonsense, type Suite, type SuiteOptions } from "../suite.ts";
import { BenchWorld, type Side } from "../world/bench-world.ts";
import { churnedBackend, movingBackend, movingBalancer, positions, serviceAt } from "../world/cluster-objects.ts";
import { compile } from "../world/compile.ts";
import { type ServiceProxy, startAgent, startKubeProxy } from "../world/proxies.ts";
import { allServed } from "../world/served.ts";
import { Traffic, type TrafficCounts, type TrafficLoad, type TrafficTarget } from "../world/traffic.ts";

type Setup = "ours" | "iptables" | "nftables";

const ENDPOINTS = 10;
/** As an application that ends on SIGTERM, and as one that is a little slower than its removal. */
const GONE_AFTER_MS = [0, 100];
const STEER_TIMEOUT_MS = 60_000;
const POLL_MS = 5;
/** kube-proxy holds changes back for a second after each; none is held back by the one before. */
const PAUSE_MS = { ours: 100, iptables: 1_200, nftables: 1_200 };
/** How long nobody is there to hear of changes. */
const DEAD_MS = 300;

interface Amount extends TrafficLoad {
  readonly moves: number;
  readonly kills: number;
  readonly churn: { readonly perSecond: number; readonly seconds: number };
}
const FULL: Amount = {
  ...{ perSecond: 1_000, longConnections: 200, moves: 10, kills: 10 },
  churn: { perSecond: 1_000, seconds: 10 },
};
const QUICK: Amount = {
  ...{ perSecond: 300, longConnections: 20, moves: 1, kills: 1 },
  churn: { perSecond: 200, seconds: 1 },
};

/** One way of clients to Services. */
interface Road {
  readonly name: string;
  readonly side: Side;
  /** In the Pod, and in the cgroup of socket load balancing. */
  readonly inside: boolean;
}

const pause = (ms: number): Promise<void> => new Promise((resume) => setTimeout(resume, ms));

class LossesBench {
  readonly #world: BenchWorld;
  readonly #setup: Setup;
  readonly #options: SuiteOptions;
  readonly #add: (measurement: Measurement) => void;
  readonly #amount: Amount;
  readonly #traffic: string;
  #proxy: ServiceProxy | undefined;
  #place = 0;

  constructor(world: BenchWorld, setup: Setup, options: SuiteOptions, add: (measurement: Measurement) => void) {
    this.#world = world;
    this.#setup = setup;
    this.#options = options;
    this.#add = add;
    this.#amount = options.quick ? QUICK : FULL;
    this.#traffic = compile("traffic", world.directory);
  }

  async measure(): Promise<void> {
    const { moves, kills, churn } = this.#amount;
    await this.#world.start();
    await this.#start();
    for (const ms of GONE_AFTER_MS) {
      const when = ms === 0 ? "at once" : `after ${ms} ms`;
      await this.#scenario(`endpoint moves, the old one gone ${when}`, this.#movingTargets(moves), async (roads) => {
        for (let move = 0; move < moves; move++) await this.#move(roads, ms);
      });
    }
    await this.#scenario("proxy killed and started", this.#movingTargets(kills), async (roads) => {
      for (let kill = 0; kill < kills; kill++) await this.#kill(roads);
    });
    const what = `${churn.perSecond.toLocaleString("en")} changes a second`;
    await this.#scenario(what, this.#churnedTargets(), async () => {
      await this.#world.api({ op: "churn", ...churn });
    });
  }

  async #start(): Promise<ServiceProxy> {
    const [world, setup] = [this.#world, this.#setup];
    const side = world.side(setup);
    const proxy =
      setup === "ours"
        ? await startAgent(world, side, this.#options.objectsDir)
        : await startKubeProxy(world, side, setup);
    if (this.#proxy === undefined) await allServed(world, side, proxy);
    this.#proxy = proxy;
    return proxy;
  }

  get #roads(): Road[] {
    const side = this.#world.side(this.#setup);
    if (this.#setup !== "ours") return [{ name: this.#setup, side, inside: false }];
    return [
      { name: "ours (socket)", side, inside: true },
      { name: "ours (tc)", side, inside: false },
    ];
  }

  /** Clients from outside of us ask for the address that is meant for them. */
  #byBalancer({ name }: Road): boolean {
    return name === "ours (tc)";
  }

  /** The moving Service, as it may be answered in so many moves from now on. */
  #movingTargets(moves: number): (road: Road) => TrafficTarget[] {
    const target = this.#world.moving(this.#place, moves + 1);
    return (road) => [this.#byBalancer(road) ? { ...target, address: movingBalancer } : target];
  }

  #churnedTargets(): (road: Road) => TrafficTarget[] {
    const world = this.#world;
    return (road) =>
      this.#byBalancer(road)
        ? positions.map((position) => ({
            ...world.balancer(position),
            otherBackend: churnedBackend(serviceAt(world.shape, position)),
          }))
        : Array.from({ length: world.shape.services }, (_, service) => ({
            ...world.service(service),
            otherBackend: churnedBackend(service),
          }));
  }

  async #scenario(
    what: string,
    targets: (road: Road) => TrafficTarget[],
    happen: (traffic: readonly Traffic[]) => Promise<void>,
  ): Promise<void> {
    const roads = this.#roads;
    this.#options.note(`${this.#world.shape.services} Services, ${this.#setup}: ${what}`);
    const { cleanup } = this.#world;
    const traffic = roads.map((road) => {
      const { client, pod, cgroup } = road.side;
      const where = road.inside ? { netns: pod, cgroup } : { netns: client };
      return new Traffic(this.#traffic, { ...where, cleanup }, targets(road), this.#amount);
    });
    for (const { begun } of traffic) await begun;
    await happen(traffic);
    const counts = await Promise.all(traffic.map((one) => one.end()));
    for (const [index, { name }] of roads.entries()) {
      const of = counts[index];
      if (of !== undefined) this.#report(what, name, of);
    }
  }

  #report(what: string, setup: string, counts: TrafficCounts): void {
    const { connections, failed, wrong, requests, longConnections, broken } = counts;
    if (wrong > 0) throw new Nonsense(`${setup}, ${what}: ${wrong} answers of a wrong backend`);
    if (failed === connections || broken === longConnections)
      throw new Nonsense(`${setup}, ${what}: nothing was answered (${JSON.stringify(counts)})`);
    const subject = { suite: "losses", setup, services: this.#world.shape.services, endpoints: ENDPOINTS } as const;
    const count = (counted: string, value: number, better: "less" | "more", note?: string) =>
      this.#add(
        measured({ ...subject, what: `${what}: ${counted}`, unit: "count", better, ...(note ? { note } : {}) }, [
          [value],
        ]),
      );
    count("new connections", connections, "more");
    count("failed", failed, "less", `of ${connections.toLocaleString("en")} new connections`);
    count("long connections", longConnections, "more");
    count("requests", requests, "more");
    count(
      "broken",
      broken,
      "less",
      `of ${longConnections} long connections, asked ${requests.toLocaleString("en")} times`,
    );
  }

  /** The one endpoint of the moving Service goes to another place, and its old place accepts no connection any more. */
  async #move(traffic: readonly Traffic[], goneAfterMs: number): Promise<void> {
    await pause(PAUSE_MS[this.#setup]);
    const old = this.#place++;
    await this.#world.api({ op: "move", place: this.#place });
    await pause(goneAfterMs);
    await this.#world.backends.refuse(movingBackend(old));
    await this.#reached(traffic);
  }

  /** The endpoint moves while no proxy is there; its old place goes when the next one has heard of it. */
  async #kill(traffic: readonly Traffic[]): Promise<void> {
    await pause(PAUSE_MS[this.#setup]);
    await this.#proxy?.stop();
    const old = this.#place++;
    await this.#world.api({ op: "move", place: this.#place });
    await pause(DEAD_MS);
    await this.#start();
    await this.#reached(traffic);
    await this.#world.backends.refuse(movingBackend(old));
  }

  /** Each road's newest connection was answered from the new place. */
  async #reached(traffic: readonly Traffic[]): Promise<void> {
    const place = movingBackend(this.#place);
    const deadline = performance.now() + STEER_TIMEOUT_MS;
    for (const one of traffic) {
      for (let { newest } = await one.now(); newest !== place; { newest } = await one.now()) {
        this.#proxy?.checkAlive();
        if (performance.now() > deadline)
          throw new Nonsense(`${this.#setup}: the moved endpoint got no connection within ${STEER_TIMEOUT_MS} ms`);
        await pause(POLL_MS);
      }
    }
  }
}

export const lossesSuite: Suite = {
  name: "losses",
  what: "what clients lose while endpoints change, and while the proxy is killed and started",
  services: [1_000],
  async run(options, add) {
    for (const services of options.services) {
      const setups: Setup[] = ["ours"];
      if (!options.alone) setups.push("iptables");
      if (!options.alone && services <= MOST_SERVICES_OF_NFTABLES) setups.push("nftables");
      for (const setup of setups) {
        using world = new BenchWorld({ services, endpoints: ENDPOINTS }, [setup]);
        await new LossesBench(world, setup, options, add).measure();
      }
    }
  },
};
