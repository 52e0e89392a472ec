// SPDX-License-Identifier: Apache-2.0
// Versions of a managed control plane: a minor version, of which the cloud chooses the patch.

import type { InputProblem } from "../input-errors.ts";
import { supportedMinors } from "../kubernetes-version.ts";

/** The minor version that managed control planes get when none is asked for. */
export const defaultMinorVersion = "1.35";

export function minorVersionRule(propertyPath: string, version: string, platform: string): InputProblem[] {
  const match = /^1\.(\d+)$/.exec(version);
  if (match === null) {
    return [
      {
        propertyPath,
        reason: `is "${version}", and ${platform} takes a minor version and chooses the patch itself; write it as "${defaultMinorVersion}".`,
      },
    ];
  }
  if (supportedMinors.some((minor) => minor === Number(match[1]))) return [];
  return [
    {
      propertyPath,
      reason: `is "${version}", and this release supports ${supportedMinors.map((minor) => `1.${minor}`).join(", ")}; choose one of these.`,
    },
  ];
}
