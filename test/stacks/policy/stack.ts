// SPDX-License-Identifier: Apache-2.0
// Small stacks for the rules of the policy pack, and the recorded programs of the components in the same form.
import type { LinkedResource, Plain } from "../../../stacks/policy/rule.ts";
import { resourceRules, stackRules } from "../../../stacks/policy/rules.ts";
import { type RecordedResource, Secret } from "../../components/recorded-program.ts";

export interface Piece {
  readonly type: string;
  readonly props?: Plain;
  /** Names of what it waits for. */
  readonly after?: readonly string[];
  readonly parent?: string;
  readonly additionalSecretOutputs?: readonly string[];
}

/** A stack of named pieces. */
export function stackOf(pieces: Readonly<Record<string, Piece>>): LinkedResource[] {
  type Open = LinkedResource & { dependencies: LinkedResource[]; parent: LinkedResource | undefined };
  const made = new Map<string, Open>(
    Object.entries(pieces).map(([name, { type, props = {}, additionalSecretOutputs = [] }]) => [
      name,
      { urn: `urn:${name}`, type, name, props, additionalSecretOutputs, dependencies: [], parent: undefined },
    ]),
  );
  const named = (name: string): LinkedResource => {
    const found = made.get(name);
    if (found === undefined) throw new Error(`the test's stack has no ${name}`);
    return found;
  };
  for (const [name, { after = [], parent }] of Object.entries(pieces)) {
    const open = named(name) as Open;
    open.dependencies = after.map(named);
    open.parent = parent === undefined ? undefined : named(parent);
  }
  return [...made.values()];
}

/** What every rule says about a stack: `rule: resource reason`. */
export function judge(stack: readonly LinkedResource[]): string[] {
  return [
    ...resourceRules.flatMap((rule) =>
      stack.flatMap((resource) =>
        rule.violations(resource).map((reason) => `${rule.name}: ${resource.name} ${reason}`),
      ),
    ),
    ...stackRules.flatMap((rule) =>
      rule.violations(stack).map(({ resource, reason }) => `${rule.name}: ${resource.name} ${reason}`),
    ),
  ];
}

/** A policy sees values without being told which are secret. */
function revealed(value: unknown): unknown {
  if (value instanceof Secret) return revealed(value.value);
  if (Array.isArray(value)) return value.map(revealed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, revealed(child)]));
}

/** A recorded program as the policy pack would see it. */
export function recordedStack(resources: ReadonlyMap<string, RecordedResource>): LinkedResource[] {
  return stackOf(
    Object.fromEntries(
      [...resources].map(([name, { type, inputs, dependencies, parent, additionalSecretOutputs }]) => [
        name,
        {
          type,
          props: revealed(inputs) as Plain,
          after: dependencies.filter((dependency) => resources.has(dependency)),
          additionalSecretOutputs,
          ...(resources.has(parent) ? { parent } : {}),
        },
      ]),
    ),
  );
}
