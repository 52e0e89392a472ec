// SPDX-License-Identifier: Apache-2.0
// Reads back which version of Kubernetes a step was given.

/** The version in the variables that stand before a step's script; `undefined` where there is none, or it is hidden. */
export function versionGiven(stdin: unknown): string | undefined {
  return typeof stdin === "string" ? /^KUBERNETES_VERSION='(v[\d.]+)'$/m.exec(stdin)?.[1] : undefined;
}
