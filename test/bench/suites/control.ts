// SPDX-License-Identifier: Apache-2.0
// The control loop: cold start, one endpoint change to the first packet steered, churn, memory and stalls.
import { mapMemoryMb } from "../kernel/map-memory.ts";
import { type Measurement, measured, type Subject } from "../results.ts";
import { rotated } from "../statistics.ts";
import { MOST_SERVICES_OF_NFTABLES, type Suite, type SuiteOptions } from "../suite.ts";
import { AgentAnswers } from "../world/agent-answers.ts";
import { BenchWorld } from "../world/bench-world.ts";
import { longestStallMs, type ServiceProxy, startAgent, startKubeProxy } from "../world/proxies.ts";
import { allServed, steered } from "../world/served.ts";

type Setup = "ours" | "iptables" | "nftables";

const ENDPOINTS = 10;
/** A full load of iptables takes a quarter of a minute at this size, and grows faster than it. */
const MOST_SERVICES_OF_IPTABLES = 10_000;
/** kube-proxy holds changes back for a second after each; none is held back by the one before. */
const PAUSE_MS = { ours: 100, iptables: 1_200, nftables: 1_200 };
/** Different from one change to the next, so that no period of anybody's is always met at the same point. */
const JITTER_MS = 37;
const CHURN = { full: { perSecond: 1_000, seconds: 5 }, quick: { perSecond: 200, seconds: 1 } };

const pause = (ms: number): Promise<void> => new Promise((resume) => setTimeout(resume, ms));

class ControlBench {
  readonly #options: SuiteOptions;
  readonly #services: number;
  readonly #samples = new Map<string, { readonly subject: Subject; readonly rounds: number[][] }>();

  #place = 0;

  constructor(services: number, options: SuiteOptions) {
    this.#services = services;
    this.#options = options;
  }

  async measure(): Promise<void> {
    const { rounds, quick, alone } = this.#options;
    const setups: Setup[] = ["ours"];
    if (!alone && this.#services <= MOST_SERVICES_OF_IPTABLES) setups.push("iptables");
    if (!alone && this.#services <= MOST_SERVICES_OF_NFTABLES) setups.push("nftables");
    // Each cold start needs a world of its own: three of them say enough.
    const starts = quick ? 1 : Math.min(3, rounds);
    for (let round = 0; round < starts; round++)
      for (const setup of rotated(setups, round)) await this.#oneWorld(setup, round);
    for (let round = 0; round < starts; round++) await this.#stalls(round);
  }

  async #oneWorld(setup: Setup, round: number): Promise<void> {
    const { note, objectsDir } = this.#options;
    note(`${this.#services} Services × ${ENDPOINTS}, ${setup}, start ${round + 1}`);
    using world = new BenchWorld({ services: this.#services, endpoints: ENDPOINTS }, [setup]);
    await world.start();
    this.#place = 0;
    const side = world.side(setup);
    const proxy =
      setup === "ours" ? await startAgent(world, side, objectsDir) : await startKubeProxy(world, side, setup);
    const servedNs = await allServed(world, side, proxy);
    this.#sample("cold start", setup, "s", "less", [(servedNs - Number(proxy.startedNs)) / 1e9]);
    this.#sample("CPU of cold start", setup, "s", "less", [proxy.usage().cpuSeconds]);
    const answers = setup === "ours" ? new AgentAnswers(world, side) : undefined;
    if (answers) this.#sample("writes of cold start", setup, "ms", "less", [(await answers.writeSeconds()) * 1000]);
    await this.#changes(world, setup, proxy);
    await this.#churn(world, setup, proxy, answers);
    const { rssMb, peakRssMb } = proxy.usage();
    this.#sample("RSS", setup, "MB", "less", [rssMb]);
    this.#sample("peak RSS", setup, "MB", "less", [peakRssMb]);
    if (setup === "ours") this.#sample("map memory", setup, "MB", "less", [mapMemoryMb(side.bpfRoot)]);
    await proxy.stop();
  }

  /** In worlds of their own: the monitor takes CPU time that would be in all other figures. */
  async #stalls(round: number): Promise<void> {
    const { note, objectsDir, quick } = this.#options;
    note(`${this.#services} Services × ${ENDPOINTS}, stalls, start ${round + 1}`);
    using world = new BenchWorld({ services: this.#services, endpoints: ENDPOINTS }, ["ours"]);
    await world.start();
    const side = world.side("ours");
    const agent = await startAgent(world, side, objectsDir, { stalls: true });
    await allServed(world, side, agent);
    this.#sample("stall of cold start", "ours", "ms", "less", [await longestStallMs(world, agent)]);
    await world.api({ op: "churn", ...(quick ? CHURN.quick : CHURN.full) });
    this.#sample("stall under churn", "ours", "ms", "less", [await longestStallMs(world, agent)]);
    await agent.stop();
  }

  /** The moving Service's endpoint goes from one place to the other and back. */
  async #changes(world: BenchWorld, setup: Setup, proxy: ServiceProxy): Promise<void> {
    const count = this.#options.quick ? 2 : setup === "ours" ? 40 : 8;
    const before = proxy.usage().cpuSeconds;
    const times: number[] = [];
    for (let change = 1; change <= count; change++) {
      this.#options.note(`${this.#services} Services × ${ENDPOINTS}, ${setup}, change ${change} of ${count}`);
      await pause(PAUSE_MS[setup] + ((change * JITTER_MS) % 100));
      times.push(await this.#steerMs(world, setup, this.#otherPlace()));
    }
    this.#sample("endpoint change", setup, "ms", "less", times);
    const perChange = ((proxy.usage().cpuSeconds - before) / count) * 1000;
    this.#sample("CPU of an endpoint change", setup, "ms", "less", [perChange]);
  }

  async #steerMs(world: BenchWorld, setup: Setup, place: number): Promise<number> {
    const { ms, failed } = await steered(world, world.side(setup), place);
    if (failed > 0) this.#sample("connections lost in a change", setup, "count", "less", [failed]);
    return ms;
  }

  async #churn(world: BenchWorld, setup: Setup, proxy: ServiceProxy, answers?: AgentAnswers): Promise<void> {
    const { perSecond, seconds } = this.#options.quick ? CHURN.quick : CHURN.full;
    this.#options.note(`${this.#services} Services × ${ENDPOINTS}, ${setup}, ${perSecond} changes a second`);
    const before = proxy.usage().cpuSeconds;
    const began = performance.now();
    const { lateMs = 0, version = Number.NaN } = await world.api({ op: "churn", perSecond, seconds });
    const elapsed = (performance.now() - began) / 1000;
    if (answers) this.#sample("backlog of churn", setup, "count", "less", [version - (await answers.version())]);
    const share = (proxy.usage().cpuSeconds - before) / elapsed;
    const what = `${perSecond.toLocaleString("en")} changes a second`;
    this.#sample(`CPU at ${what}`, setup, "share", "less", [share]);
    this.#sample(`sender late at ${what}`, setup, "ms", "less", [lateMs]);
    const next = await this.#steerMs(world, setup, this.#otherPlace());
    this.#sample("next change after churn", setup, "ms", "less", [next]);
  }

  /** Where the moving endpoint is not now. */
  #otherPlace(): number {
    this.#place = 1 - this.#place;
    return this.#place;
  }

  #sample(what: string, setup: Setup, unit: Subject["unit"], better: Subject["better"], values: number[]): void {
    const key = `${what}/${setup}`;
    const subject = { suite: "control", what, setup, services: this.#services, endpoints: ENDPOINTS, unit, better };
    const samples = this.#samples.get(key) ?? { subject, rounds: [] as number[][] };
    this.#samples.set(key, samples);
    samples.rounds.push(values);
  }

  results(): Measurement[] {
    return [...this.#samples.values()].map(({ subject, rounds }) => measured(subject, rounds));
  }
}

export const controlSuite: Suite = {
  name: "control",
  what: "cold start, endpoint changes, churn, memory and stalls",
  services: [1, 100, 1_000, 3_000, 10_000, 50_000],
  async run(options, add) {
    for (const services of options.services) {
      const bench = new ControlBench(services, options);
      try {
        await bench.measure();
      } finally {
        for (const measurement of bench.results()) add(measurement);
      }
    }
  },
};
