// SPDX-License-Identifier: Apache-2.0
// Holds what was seen against what may be: one sentence for the first difference.
import type { Expected, Fate, Observed } from "./probe.ts";

/** How many packets a probe may take: with ten endpoints one stays unseen by chance once in 10^18 probes. */
export const MOST_PACKETS = 400;
const FEW = 3;
const STICKY = 8;

const nameOf = (fate: Fate): string => (fate.kind === "backend" ? fate.backend : fate.kind);

/** What was seen, counted. */
export function summarize(observed: Observed): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const fate of observed) {
    const name = fate.kind === "backend" && !fate.sourceKept ? `${fate.backend} (another source)` : nameOf(fate);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

function forbidden(expected: Expected, fate: Fate): string | undefined {
  if (fate.kind !== "backend") return expected.verdicts.includes(fate.kind) ? undefined : `was ${fate.kind}`;
  if (!expected.backends.includes(fate.backend)) return `went to ${fate.backend}`;
  return expected.keepsSource && !fate.sourceKept ? `went to ${fate.backend} without the client's address` : undefined;
}

const unseen = (expected: Expected, observed: Observed): string[] => {
  const seen = new Set(observed.map(nameOf));
  return expected.backends.filter((backend) => !seen.has(backend));
};

const isVerdict = (observed: Observed): boolean => observed.every(({ kind }) => kind !== "backend");

/** Whether more packets could still change the judgement. */
export function enough(expected: Expected, observed: Observed): boolean {
  if (observed.some((fate) => forbidden(expected, fate) !== undefined)) return true;
  if (observed.length < FEW) return false;
  if (isVerdict(observed)) return true;
  return expected.sticky ? observed.length >= STICKY : unseen(expected, observed).length === 0;
}

/** Undefined when all is as it may be. */
export function judge(expected: Expected, observed: Observed): string | undefined {
  for (const fate of observed) {
    const problem = forbidden(expected, fate);
    if (problem !== undefined) return problem;
  }
  const kinds = new Set(observed.map(({ kind }) => kind));
  if (kinds.size > 1) return `was treated in several ways: ${[...kinds].join(", ")}`;
  if (isVerdict(observed)) return undefined;
  if (expected.sticky) {
    const used = new Set(observed.map(nameOf));
    return used.size > 1 ? `left its backend: ${[...used].join(", ")}` : undefined;
  }
  const missing = unseen(expected, observed);
  return missing.length > 0 ? `never went to ${missing.join(", ")}` : undefined;
}
