// SPDX-License-Identifier: Apache-2.0
// Decides by a review whether a pipeline may go on.

import { type Effect, effects } from "../../components/internal/value-effects.ts";
import type { Review } from "./review.ts";

/** What a pipeline can be stopped for: an effect on traffic or a worse one, a policy, a cluster that goes. */
export const gates = ["new-flows", "flows-reset", "node-restart", "policy", "cluster-loss", "any-change"] as const;

/** One of them. */
export type Gate = (typeof gates)[number];

/** Reads a list with commas; an unknown word is an error that names the known ones. */
export function parseGates(text: string): Gate[] {
  return text.split(",").map((word) => {
    const found = gates.find((gate) => gate === word.trim());
    if (found === undefined)
      throw new Error(`"${word.trim()}" is nothing to fail on; use ${gates.join(", ")}, with commas between.`);
    return found;
  });
}

/** Why the pipeline stops: one sentence for each gate that does not let it pass. */
export function stopped(review: Review, wanted: readonly Gate[]): string[] {
  const { effect, policy, members, moving } = review;
  return wanted.flatMap((gate): string[] => {
    switch (gate) {
      case "policy":
        return policy.violations.length > 0 ? [`${policy.violations.length} violation(s) of policy`] : [];
      case "cluster-loss": {
        const lost = members.filter(
          ({ kind, operation }) => kind === "cluster" && (operation === "delete" || operation === "replace"),
        );
        return lost.map(({ name }) => `the cluster ${name} does not survive`);
      }
      case "any-change":
        return moving > 0 ? [`${moving} resource(s) change`] : [];
      default:
        return effects.indexOf(effect) >= effects.indexOf(gate as Effect)
          ? [`the effect on traffic is "${effect}"`]
          : [];
    }
  });
}
