// SPDX-License-Identifier: Apache-2.0
// Finds a Go that can build the programs: old ones cannot fetch the version that their modules ask for.

import { existsSync } from "node:fs";
import { runAnyway } from "../host/exec.ts";
import { allOnPath } from "./on-path.ts";

/** The first Go that fetches the version which a go.mod names, from the module proxy. */
const leastMinor = 21;

export interface Candidate {
  readonly path: string;
  /** What `go version` says. */
  readonly version: string;
}

/** The environment of every run of Go: the version that a go.mod names is fetched when this box has an older one. */
export function goEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { ...env, CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false", GOTOOLCHAIN: "auto" };
}

/** The Go of this box; `program` is what has to be built with it. */
export async function requireGo(program: string): Promise<string> {
  const usual = "/usr/local/go/bin/go";
  const paths = [...(await allOnPath("go")), ...(existsSync(usual) ? [usual] : [])];
  // Its own version, not the one that a go.mod in the folder would make it fetch.
  const options = { cwd: "/", env: { ...process.env, GOTOOLCHAIN: "local" } };
  const version = async (path: string) => (await runAnyway(path, ["version"], options)).stdout.trim();
  return chooseGo(program, await Promise.all(paths.map(async (path) => ({ path, version: await version(path) }))));
}

/** The first that is new enough. */
export function chooseGo(program: string, candidates: readonly Candidate[]): string {
  const found = candidates.find(({ version }) => isNewEnough(version));
  if (found !== undefined) return found.path;
  const remedy =
    `install Go 1.${leastMinor} or newer and put it on PATH or in /usr/local/go ` +
    "(on Debian 12 golang-go of bookworm-backports; it fetches the version it needs)";
  const [old] = candidates;
  if (old === undefined) throw new Error(`${program} has to be built, but there is no Go on PATH: ${remedy}.`);
  throw new Error(`${program} has to be built, but ${old.path} says "${old.version}", which is too old: ${remedy}.`);
}

function isNewEnough(version: string): boolean {
  const [, major, minor] = /\bgo(\d+)\.(\d+)/.exec(version)?.map(Number) ?? [];
  return major !== undefined && minor !== undefined && (major > 1 || minor >= leastMinor);
}
