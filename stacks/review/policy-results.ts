// SPDX-License-Identifier: Apache-2.0
// Judges a preview by the rules of the policy pack, as far as the preview shows what they look at.

import { type LinkedResource, type Plain, unknownYet } from "../policy/rule.ts";
import { resourceRules, stackRules } from "../policy/rules.ts";
import { dependenciesOf, hidden, isUnknown, type Preview } from "./preview.ts";
import { leaks } from "./secrets.ts";

/** A violation, as a sentence with its remedy. */
export interface Violation {
  readonly rule: string;
  readonly resource: string;
  readonly reason: string;
  readonly remedy: string;
}

/** What the rules said. */
export interface PolicyResults {
  readonly rules: number;
  readonly violations: readonly Violation[];
  /** Resources of which the preview hides something that a rule would look at. */
  readonly partlyHidden: number;
}

function seen(value: unknown): unknown {
  if (value === hidden || isUnknown(value)) return unknownYet;
  if (Array.isArray(value)) return value.map(seen);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, seen(child)]));
}

function linked({ changes }: Preview): LinkedResource[] {
  type Open = LinkedResource & { dependencies: LinkedResource[]; parent: LinkedResource | undefined };
  const staying = changes.filter(({ after }) => after !== undefined);
  const byUrn = new Map<string, Open>(
    staying.map(({ urn, type, name, after }) => [
      urn,
      {
        ...{ urn, type, name, dependencies: [], parent: undefined },
        props: seen(after?.inputs ?? {}) as Plain,
        additionalSecretOutputs: after?.additionalSecretOutputs ?? [],
      },
    ]),
  );
  for (const { urn, after } of staying) {
    const open = byUrn.get(urn) as Open;
    open.dependencies = dependenciesOf(after).flatMap((to) => byUrn.get(to) ?? []);
    open.parent = byUrn.get(after?.parent ?? "");
  }
  return [...byUrn.values()];
}

/** Judges every resource that the update would leave. */
export function policyResults(preview: Preview): PolicyResults {
  const stack = linked(preview);
  const violations = [
    ...resourceRules.flatMap((rule) =>
      stack.flatMap((resource) =>
        rule
          .violations(resource)
          .map((reason) => ({ rule: rule.name, resource: resource.name, reason, remedy: rule.remedy })),
      ),
    ),
    ...stackRules.flatMap((rule) =>
      rule
        .violations(stack)
        .map(({ resource, reason }) => ({ rule: rule.name, resource: resource.name, reason, remedy: rule.remedy })),
    ),
    ...leaks(preview.changes).map(({ resource, path, what }) => ({
      rule: "no-readable-secret",
      resource,
      reason: `has ${what} in the clear, at ${path}`,
      remedy:
        "Wrap it in pulumi.secret(...), or take it from a secret output, and change it: this preview has shown it.",
    })),
  ];
  const looked = /^(command|kubernetes):/;
  const partlyHidden = preview.changes.filter(
    ({ type, after }) => looked.test(type) && Object.values(after?.inputs ?? {}).includes(hidden),
  ).length;
  return { rules: resourceRules.length + stackRules.length + 1, violations, partlyHidden };
}
