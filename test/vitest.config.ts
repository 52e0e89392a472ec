// SPDX-License-Identifier: Apache-2.0
// Names the tiers of tests: what each needs, and how long one of its cases may take.
import { defineConfig } from "vitest/config";

const root = new URL("..", import.meta.url).pathname;

/** Templates import the package, as their users have it installed; here it is the source. */
const alias = ["index", "bare-metal", "eks", "gke"].map((entry) => ({
  find: entry === "index" ? /^sansproxy$/ : `sansproxy/${entry}`,
  replacement: `${root}components/${entry}.ts`,
}));

/** A tier that shares the machine (namespaces, bpffs, ports) runs one file after another. */
const tier = (name: string, include: string[], timeoutMs: number, exclusive = false) => ({
  root,
  resolve: { alias },
  test: {
    name,
    include,
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    fileParallelism: !exclusive,
    pool: "forks" as const,
    // A condition may come true as late as a busy machine makes it; a second, which is what polls have by themselves, is not enough.
    expect: { poll: { timeout: timeoutMs / 2 } },
  },
});

export default defineConfig({
  root,
  test: {
    projects: [
      tier("unit", ["test/{agent,components,stacks,oracle}/**/*.test.ts", "test/*.test.ts"], 60_000),
      tier("plugins", ["test/plugins/**/*.test.ts"], 180_000, true),
      tier("bpf", ["test/{bpf,attacks}/**/*.test.ts"], 120_000, true),
      tier("bench", ["test/bench/**/*.test.ts"], 120_000, true),
      tier("clouds", ["test/clouds/*.test.ts"], 600_000, true),
      // By `npm run clouds` alone: each takes minutes.
      tier("clouds-long", ["test/clouds/long/*.test.ts"], 1_800_000, true),
      tier("testbed", ["test/testbed/**/*.test.ts"], 300_000, true),
      tier("e2e", ["test/e2e/**/*.test.ts"], 1_200_000, true),
    ],
  },
});
