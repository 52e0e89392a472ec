// SPDX-License-Identifier: Apache-2.0
// Wrong inputs in the real engine: a sample of the tables, each an error of the preview with its path and its remedy.
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { wrongConfigurations } from "../components/cilium/wrong-configurations.ts";
import { createStack, type Stack } from "./fixtures/stack.ts";

const root = resolve(import.meta.dirname, "../..");

let stack: Stack;
beforeAll(async () => {
  stack = await createStack();
});
afterAll(() => stack[Symbol.dispose]());

interface Wrong {
  readonly what: string;
  readonly entry: string;
  /** The component, made with what is wrong. */
  readonly program: string;
  readonly says: readonly (string | RegExp)[];
}

/** Every fifteenth of the table, which the unit tests go through one by one. */
const ofCilium: readonly Wrong[] = wrongConfigurations
  .filter((_wrong, index) => index % 15 === 0)
  .map(({ what, cluster, choice, propertyPath, reason, remedy }) => ({
    what: `Datapath: ${what}`,
    entry: "index",
    program: `new all.Datapath("it", ${JSON.stringify({
      cluster: { ...cluster, kubeconfig: "apiVersion: v1" },
      engine: "cilium",
      ...choice,
    })})`,
    says: ['Datapath "it" has a wrong input', propertyPath, reason, remedy],
  }));

const others: readonly Wrong[] = [
  {
    what: "EksCluster: a mode with two letters exchanged",
    entry: "eks",
    program: 'new all.EksCluster("it", { mode: "overlya" })',
    says: ['EksCluster "it" has a wrong input', "mode", 'did you mean "overlay"?'],
  },
  {
    what: "GkeCluster: an input that there is not",
    entry: "gke",
    program: 'new all.GkeCluster("it", { location: "europe-west3", enableAutopilot: true })',
    says: ['GkeCluster "it" has a wrong input', "enableAutopilot", "leave it out"],
  },
  {
    what: "BareMetalCluster: a host without a name for its role",
    entry: "index",
    program:
      'new all.BareMetalCluster("it", { hosts: [{ name: "a", role: "master", address: "192.0.2.1", insecureIgnoreHostKey: true }], privateKey: "x" })',
    says: ['BareMetalCluster "it" has', "hosts[0].role", "control-plane"],
  },
];

test.each([...ofCilium, ...others].map((wrong) => [wrong.what, wrong] as const))(
  "%s",
  async (_what, { entry, program, says }) => {
    stack.write(`import * as all from ${JSON.stringify(join(root, `components/${entry}.ts`))};\n${program};\n`);
    const { code, output } = await stack.pulumi("preview", "--stack", "local");
    expect(code).not.toBe(0);
    for (const text of says) expect(output).toMatch(text);
    // The stack itself is all that the engine heard of.
    expect(output).not.toMatch(/sansproxy:index:|to create.*[2-9]/);
  },
);
