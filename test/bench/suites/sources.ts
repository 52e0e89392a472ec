// SPDX-License-Identifier: Apache-2.0
// The same objects from a real API server and replayed: the agent must make the same of both, and what each takes it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cleanup } from "../../support/netns.ts";
import { differences, type ServiceContents, serviceContents } from "../kernel/service-contents.ts";
import { type Measurement, measured, type Subject } from "../results.ts";
import { rotated } from "../statistics.ts";
import { Nonsense, type Suite, type SuiteOptions } from "../suite.ts";
import { startApiServer } from "../world/api-server.ts";
import { BenchWorld } from "../world/bench-world.ts";
import { startAgent } from "../world/proxies.ts";
import { allServed, steered } from "../world/served.ts";

type Source = "API server" | "replayed";

const ENDPOINTS = 10;
const SOURCES: readonly Source[] = ["API server", "replayed"];
/** Even, so that a kept data directory ends as it began. */
const CHANGES = { full: 20, quick: 2 };
const PAUSE_MS = 100;
const JITTER_MS = 37;

const pause = (ms: number): Promise<void> => new Promise((resume) => setTimeout(resume, ms));

class SourcesBench {
  readonly #services: number;
  readonly #options: SuiteOptions;
  readonly #data: string;
  readonly #samples = new Map<string, { readonly subject: Subject; readonly rounds: number[][] }>();

  /** `data` is for etcd: filled once, for all rounds. */
  constructor(services: number, options: SuiteOptions, data: string) {
    this.#services = services;
    this.#options = options;
    this.#data = data;
  }

  async measure(): Promise<void> {
    const { rounds, quick } = this.#options;
    for (let round = 0; round < (quick ? 1 : Math.min(3, rounds)); round++) {
      const contents: ServiceContents[] = [];
      for (const source of rotated(SOURCES, round)) contents.push(await this.#oneWorld(source, round));
      const [first, second] = contents;
      if (first !== undefined && second !== undefined) this.#compare(first, second);
    }
  }

  #compare(first: ServiceContents, second: ServiceContents): void {
    const [one, ...more] = differences(first, second);
    if (one !== undefined)
      throw new Nonsense(`the API server and its replay disagree in ${more.length + 1} frontends, such as ${one}`);
    const counts = ({ frontends, backends, endpoints }: ServiceContents) => [frontends, backends, endpoints].join(", ");
    if (counts(first) !== counts(second))
      throw new Nonsense(`frontends, backends and endpoints are ${counts(first)} and ${counts(second)}`);
  }

  async #oneWorld(source: Source, round: number): Promise<ServiceContents> {
    const { note, objectsDir } = this.#options;
    const what = `${this.#services} Services × ${ENDPOINTS}, ${source}, start ${round + 1}`;
    note(what);
    using world = new BenchWorld({ services: this.#services, endpoints: ENDPOINTS, apiService: true }, ["ours"]);
    if (source === "replayed") {
      await world.start();
    } else {
      await world.startBackends();
      const { filledMs } = await startApiServer(world, this.#data);
      if (round === 0) this.#sample("filling the API server", source, "s", [filledMs / 1000]);
    }
    const side = world.side("ours");
    note(`${what}: the agent`);
    const agent = await startAgent(world, side, objectsDir);
    const servedNs = await allServed(world, side, agent);
    this.#sample("cold start", source, "s", [(servedNs - Number(agent.startedNs)) / 1e9]);
    this.#sample("CPU of cold start", source, "s", [agent.usage().cpuSeconds]);
    // Every Service has answered, so everything is in the maps but for what has no endpoint.
    const contents = serviceContents(side.bpfRoot);
    for (const counted of ["frontends", "backends", "endpoints"] as const)
      this.#sample(counted, source, "count", [contents[counted]]);
    const before = agent.usage().cpuSeconds;
    const changes = this.#options.quick ? CHANGES.quick : CHANGES.full;
    const times: number[] = [];
    for (let change = 1; change <= changes; change++) {
      note(`${what}: change ${change} of ${changes}`);
      await pause(PAUSE_MS + ((change * JITTER_MS) % 100));
      times.push((await steered(world, side, change % 2)).ms);
    }
    this.#sample("endpoint change", source, "ms", times);
    this.#sample("CPU of an endpoint change", source, "ms", [((agent.usage().cpuSeconds - before) / changes) * 1000]);
    this.#sample("RSS", source, "MB", [agent.usage().rssMb]);
    await agent.stop();
    return contents;
  }

  #sample(what: string, source: Source, unit: Subject["unit"], values: number[]): void {
    const setup = `ours (${source})`;
    const subject = { suite: "sources", what, setup, services: this.#services, endpoints: ENDPOINTS, unit } as const;
    const samples = this.#samples.get(`${what}/${source}`) ?? { subject: { ...subject, better: "less" }, rounds: [] };
    this.#samples.set(`${what}/${source}`, samples);
    samples.rounds.push(values);
  }

  results(): Measurement[] {
    return [...this.#samples.values()].map(({ subject, rounds }) => measured(subject, rounds));
  }
}

export const sourcesSuite: Suite = {
  name: "sources",
  what: "the same objects from a real API server and replayed",
  services: [1_000, 10_000],
  async run(options, add) {
    for (const services of options.services) {
      const cleanup = new Cleanup();
      const data = mkdtempSync(join(tmpdir(), `sansproxy-test-${process.pid}-etcd-`));
      // An etcd that was just killed may be still on its way out.
      cleanup.add(() => rmSync(data, { recursive: true, force: true, maxRetries: 20 }));
      const bench = new SourcesBench(services, options, data);
      try {
        await bench.measure();
      } finally {
        cleanup.run();
        for (const measurement of bench.results()) add(measurement);
      }
    }
  },
};
