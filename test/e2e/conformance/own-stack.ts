// SPDX-License-Identifier: Apache-2.0
// A stack of the tests' own, beside a person's, on which every test can run: brought up, judged, and taken down.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { runInteractive } from "../../../stacks/local/host/exec.ts";
import { cloneDirectory, repository } from "../../../stacks/local/host/paths.ts";
import { say } from "../../../stacks/local/host/progress.ts";
import type { ClusterShape } from "./cluster-fit.ts";
import { mostNeededWorkers } from "./needed-workers.ts";

export const ownShape: ClusterShape = { workers: mostNeededWorkers, dualStack: true };

const name = "e2e";
const home = join(cloneDirectory, "e2e-stack");
const environment = { SANSPROXY_STACK: name, SANSPROXY_HOME: home };
const configuration = [
  `workers=${ownShape.workers}`,
  `dualStack=${ownShape.dualStack}`,
  "subnet=10.89.248.0/24",
  "bridge=sansproxye",
].flatMap((setting) => ["-c", `sansproxy:${setting}`]);

/** The project's commands on the stack of the tests. */
export interface OwnStack {
  /** Gives the command's exit code. */
  run(...args: string[]): Promise<number>;
  /** Removes what `down` keeps for a stack that is brought up again: its configuration, and what was prepared for it. */
  forget(): Promise<void>;
}

const own: OwnStack = {
  run: async (...args) =>
    await runInteractive(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", join(repository, "stacks/local/cli.ts"), ...args],
      { cwd: repository, env: { ...process.env, ...environment } },
    ),
  forget: async () => {
    await rm(home, { recursive: true, force: true });
    await rm(join(repository, `Pulumi.${name}.yaml`), { force: true });
  },
};

/**
 * Runs `e2e` with these arguments on a stack that is made for it, and gives its exit code. The stack is taken down also when
 * it did not come up; `keep` leaves it, and the next run goes on with it.
 */
export async function onOwnStack(args: readonly string[], keep: boolean, stack = own): Promise<number> {
  const made = await stack.run("up", ...configuration);
  if (made !== 0) say("The stack for the tests was not brought up. `npm run e2e -- --running` judges one that is.");
  const judged = made === 0 ? await stack.run("e2e", "--running", ...args) : made;
  if (keep) {
    const variables = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
    say(`The stack is kept: with ${variables.join(" ")} in the environment, npm run kubectl and npm run down are its.`);
    return judged;
  }
  const removed = await stack.run("down");
  if (removed === 0) await stack.forget();
  return judged === 0 ? removed : judged;
}
