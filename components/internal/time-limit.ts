// SPDX-License-Identifier: Apache-2.0
// Time limits, which end up in commands and in Helm's settings.

import type * as pulumi from "@pulumi/pulumi";
import { checkedInput, type InputProblem, knownNow, refuseProblems } from "./input-errors.ts";

export function secondsRule(propertyPath: string, seconds: number): InputProblem[] {
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 3600) return [];
  return [{ propertyPath, reason: `${seconds} is not a time limit; use whole seconds from 1 to 3600.` }];
}

/** A component's `timeoutSeconds`: refused at once where it is known, else when the output has its value. */
export function secondsInput(what: string, seconds: pulumi.Input<number>): pulumi.Output<number> {
  const rule = (value: number) => secondsRule("timeoutSeconds", value);
  const now = knownNow(seconds);
  if (now !== undefined) refuseProblems(what, rule(now));
  return checkedInput(seconds, what, rule);
}
