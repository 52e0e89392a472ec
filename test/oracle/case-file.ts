// SPDX-License-Identifier: Apache-2.0
// A failing case as a file: everything that is needed to run it again.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "./objects.ts";
import type { Probe } from "./probe.ts";
import type { Finding } from "./trial.ts";

export interface CaseFile {
  readonly seed: number;
  readonly proxy: string;
  readonly problem: string;
  readonly because: string;
  readonly expected: readonly string[];
  readonly observed: Readonly<Record<string, number>>;
  readonly probe: Probe;
  readonly cluster: Cluster;
  /** The objects that the proxies held before, where the difference needs the change from these. */
  readonly before?: Cluster;
}

const folder = join(import.meta.dirname, "../../.build/oracle");

/** Returns the path of the file. */
export function writeCase(seed: number, number: number, finding: Finding, cluster: Cluster, before?: Cluster): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `seed-${seed}-${number}.json`);
  const { proxy, problem, expected, observed, probe } = finding;
  const content: CaseFile = {
    ...{ seed, proxy, problem, because: expected.because, observed, probe },
    expected: [...expected.backends, ...expected.verdicts],
    cluster,
    ...(before === undefined ? {} : { before }),
  };
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`);
  return path;
}

export function readCase(path: string): CaseFile {
  const content = JSON.parse(readFileSync(path, "utf8")) as Partial<CaseFile>;
  if (content.cluster === undefined || content.probe === undefined)
    throw new Error(`${path} is no case of the oracle: it lacks "cluster" or "probe"`);
  return content as CaseFile;
}
