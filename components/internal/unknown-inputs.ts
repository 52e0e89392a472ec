// SPDX-License-Identifier: Apache-2.0
// Finds inputs that a component does not have: a misspelled one, or one that asks for what cannot be.

import type { InputProblem } from "./input-errors.ts";
import { nearestName } from "./nearest-name.ts";

/** Every input that is not among the known ones; `impossible` says of some why they are not. */
export function unknownInputs(
  args: object,
  known: readonly string[],
  impossible: Readonly<Record<string, string>> = {},
  prefix = "",
): InputProblem[] {
  return Object.entries(args).flatMap(([key, value]) => {
    if (value === undefined || known.includes(key)) return [];
    const near = nearestName(key, known);
    const reason =
      impossible[key] ??
      `is no input here and would change nothing; ${near === undefined ? "leave it out." : `did you mean "${near}"?`}`;
    return [{ propertyPath: `${prefix}${key}`, reason }];
  });
}
