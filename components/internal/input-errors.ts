// SPDX-License-Identifier: Apache-2.0
// How wrong inputs are reported: every rule gives one problem, and all problems of a component arrive in one error.

import * as pulumi from "@pulumi/pulumi";

/** One wrong input: where it is, and one sentence with the value, the rule and the remedy. */
export interface InputProblem {
  readonly propertyPath: string;
  readonly reason: string;
}

/** Throws one error that names every problem; returns when there is none. */
export function refuseProblems(what: string, problems: readonly InputProblem[]): void {
  if (problems.length === 0) return;
  const lines = problems.map(({ propertyPath, reason }) => `  ${propertyPath}: ${reason}`);
  throw new pulumi.InputPropertiesError({
    message: `${what} has ${problems.length === 1 ? "a wrong input" : `${problems.length} wrong inputs`}:\n${lines.join("\n")}`,
    errors: problems.map(({ propertyPath, reason }) => ({ propertyPath, reason })),
  });
}

/** The value of an input when it is known while the program runs; `undefined` for an output or a promise. */
export function knownNow<T>(input: pulumi.Input<T> | undefined): T | undefined {
  if (pulumi.Output.isInstance(input) || input instanceof Promise) return undefined;
  return input as T | undefined;
}

/** An input that is checked as soon as its value is known, also when it is an output. */
export function checkedInput<T>(
  input: pulumi.Input<T>,
  what: string,
  rule: (value: T) => readonly InputProblem[],
): pulumi.Output<T> {
  return (pulumi.output(input) as pulumi.Output<T>).apply((value) => {
    refuseProblems(what, rule(value));
    return value;
  });
}
