// SPDX-License-Identifier: Apache-2.0
// The rule that an image is the same one today and tomorrow.

import type { InputProblem } from "./input-errors.ts";

export function pinnedImageRule(propertyPath: string, image: string): InputProblem[] {
  if (/@sha256:[0-9a-f]{64}$/.test(image) || (/:[\w.-]+$/.test(image) && !image.endsWith(":latest"))) return [];
  return [
    { propertyPath, reason: `is "${image}", which can be another image tomorrow; name one version or a digest.` },
  ];
}
