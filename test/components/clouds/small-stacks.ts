// SPDX-License-Identifier: Apache-2.0
// The stacks of the clouds with the least that they need, and what a test changes.
import { type EksSettings, eksStack } from "../../../stacks/eks/program.ts";
import { type GkeSettings, gkeStack } from "../../../stacks/gke/program.ts";
import { recordProgram } from "../recorded-program.ts";

export const eks = (changes: Partial<EksSettings> = {}): EksSettings => ({
  cluster: {},
  groups: [{ name: "default" }],
  datapath: {},
  ...changes,
});
export const gke = (changes: Partial<GkeSettings> = {}): GkeSettings => ({
  cluster: { location: "europe-west3" },
  pools: [{ name: "default" }],
  datapath: {},
  ...changes,
});
export const selfManaged = { location: "europe-west3", mode: "self-managed" };
export const buildEks = (changes: Partial<EksSettings> = {}) => recordProgram(() => eksStack("eks", eks(changes)));
export const buildGke = (changes: Partial<GkeSettings> = {}) => recordProgram(() => gkeStack("gke", gke(changes)));
