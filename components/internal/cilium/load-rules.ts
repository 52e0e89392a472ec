// SPDX-License-Identifier: Apache-2.0
// The rules for the expected load: what Cilium's maps and Maglev's tables have to hold, and the memory that they take.

import { type Values, valueAt } from "../datapath-rules.ts";
import type { InputProblem } from "../input-errors.ts";
import type { CiliumSetting } from "./modes.ts";
import {
  defaultLbMapMax,
  defaultNodeMapMax,
  defaultTableSize,
  demandOf,
  largestFrontendCount,
  largestMap,
  leastTableSize,
  mapMemory,
  nodeMapMaxFor,
  tableSizes,
  totalMib,
} from "./sizing.ts";

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];

export function loadRule(_values: Values, { load }: CiliumSetting): InputProblem[] {
  if (load === undefined) return [];
  const wrong = Object.entries(load).find(
    ([, value]) => value !== undefined && !(Number.isFinite(value) && value >= 0),
  );
  if (wrong !== undefined)
    return problem(`expected.${wrong[0]}`, `is ${wrong[1]}, which is not a number of things; use 0 or more.`);
  if (load.exposedServices <= load.services) return [];
  return problem(
    "expected.exposedServices",
    `is ${load.exposedServices}, more than all ${load.services} Services; count them in expected.services too.`,
  );
}

export function frontendCountRule(values: Values, setting: CiliumSetting): InputProblem[] {
  const { load } = setting;
  if (load === undefined || loadRule(values, setting).length > 0) return [];
  const { frontends } = demandOf(load);
  if (frontends <= largestFrontendCount) return [];
  return problem(
    "expected.services",
    `needs ${frontends} frontends (every address and port of a Service is one), and Cilium has ids for ${largestFrontendCount}; expect fewer Services, ports or exposed Services, or use the engine "agent", which has no such limit.`,
  );
}

export function lbMapSizeRule(values: Values, setting: CiliumSetting): InputProblem[] {
  const { load } = setting;
  if (load === undefined || loadRule(values, setting).length > 0) return [];
  const { entries, lbMapMax } = demandOf(load);
  const size = Number(valueAt(values, "bpf.lbMapMax") ?? defaultLbMapMax);
  if (lbMapMax > largestMap) {
    return problem(
      "expected.endpoints",
      `needs Service maps of ${lbMapMax} entries, and the agent makes ${largestMap} at most; expect fewer endpoints, or use the engine "agent".`,
    );
  }
  if (entries <= size) return [];
  return problem(
    "bpf.lbMapMax",
    `is ${size}, and the expected Services need ${entries} entries, so some would not be served; set it to ${lbMapMax} or leave it out.`,
  );
}

export function nodeMapSizeRule(values: Values, setting: CiliumSetting): InputProblem[] {
  const nodes = setting.load?.nodes;
  if (nodes === undefined || loadRule(values, setting).length > 0) return [];
  const size = Number(valueAt(values, "bpf.nodeMapMax") ?? defaultNodeMapMax);
  if (nodes <= size) return [];
  return problem(
    "bpf.nodeMapMax",
    `is ${size}, and ${nodes} nodes are expected, so the table of nodes would not hold them all; set it to ${nodeMapMaxFor(nodes)} or leave it out.`,
  );
}

const tableSizeOf = (values: Values): number => Number(valueAt(values, "maglev.tableSize") ?? defaultTableSize);

export function tableSizeRule(values: Values, setting: CiliumSetting): InputProblem[] {
  const { load } = setting;
  if (load === undefined || loadRule(values, setting).length > 0) return [];
  if (valueAt(values, "loadBalancer.algorithm") !== "maglev") return [];
  const size = tableSizeOf(values);
  const least = leastTableSize(load);
  if (size >= least || !tableSizes.includes(size)) return [];
  return problem(
    "maglev.tableSize",
    `is ${size}, less than 100 times the ${Math.ceil(load.endpoints / load.services)} endpoints that a Service has on average, so that a change of one would move more than 1 % of the others' clients; set it to ${least} or leave it out.`,
  );
}

export function mapMemoryRule(values: Values, setting: CiliumSetting): InputProblem[] {
  const { load } = setting;
  const others = [loadRule, frontendCountRule, lbMapSizeRule, tableSizeRule];
  if (load === undefined || others.some((rule) => rule(values, setting).length > 0)) return [];
  const maps = mapMemory(values, load);
  const total = totalMib(maps);
  if (total <= load.mapMemoryBudgetMib) return [];
  const [largest] = [...maps].sort((a, b) => b.bytes - a.bytes);
  const lower =
    largest?.map !== "Maglev tables"
      ? "lower bpf.mapDynamicSizeRatio or bpf.lbMapMax"
      : tableSizeOf(values) > leastTableSize(load)
        ? "lower maglev.tableSize"
        : 'set loadBalancer.algorithm to "random"';
  return problem(
    "expected.mapMemoryBudgetMib",
    `is ${load.mapMemoryBudgetMib} MiB on a node of ${load.nodeMemoryMib} MiB, and the maps would take ${total} MiB (most of it "${largest?.map}" with ${largest?.entries} entries); raise it, use larger nodes, or ${lower}.`,
  );
}
