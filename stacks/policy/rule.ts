// SPDX-License-Identifier: Apache-2.0
// What a rule of the policy pack is, and what it sees of a stack: plain values, in which some are unknown yet.

/** A value that only the running update will tell. */
export const unknownYet: unique symbol = Symbol("unknown until the update runs");

/** Inputs of a resource, or any part of them. */
export type Plain = { readonly [key: string]: unknown };

/** A resource as rules see it. */
export interface StackResource {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly props: Plain;
  readonly additionalSecretOutputs: readonly string[];
}

/** A resource among the others of its stack. */
export interface LinkedResource extends StackResource {
  /** What it waits for, itself or through one of its properties. */
  readonly dependencies: readonly LinkedResource[];
  readonly parent: LinkedResource | undefined;
}

/** What every rule says of itself. */
export interface RuleText {
  /** Stable: users name it to configure its enforcement. */
  readonly name: string;
  readonly description: string;
  /** What to do about a violation: a sentence. */
  readonly remedy: string;
}

/** A rule for one resource by itself; it is judged before anything is created. */
export interface ResourceRule extends RuleText {
  /** Each violation as the part of a sentence that follows the resource's name. */
  violations(resource: StackResource): string[];
}

/** A violation in a stack, and the resource to which it belongs. */
export interface StackViolation {
  readonly resource: StackResource;
  readonly reason: string;
}

/** A rule for resources among each other; it is judged at the end of a preview or an update. */
export interface StackRule extends RuleText {
  violations(stack: readonly LinkedResource[]): StackViolation[];
}

/** The value at a path, or `undefined`; an unknown on the way is the answer. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((current, key) => {
    if (current === unknownYet || current === undefined || current === null) return current ?? undefined;
    return typeof current === "object" ? (current as Plain)[String(key)] : undefined;
  }, value);
}

/** The entries of a list; none where there is no list, or none known. */
export function listAt(value: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** The containers of a Pod, of a workload's template, or of a CronJob's. */
export function containersOf({ props }: StackResource): Plain[] {
  const template = ["spec", "template", "spec"];
  const specs = [["spec"], template, ["spec", "jobTemplate", ...template]];
  return specs.flatMap((path) => [
    ...listAt(props, ...path, "containers"),
    ...listAt(props, ...path, "initContainers"),
  ]) as Plain[];
}

/** A text for a message. */
export function shown(value: unknown): string {
  return value === undefined ? "not set" : JSON.stringify(value);
}
