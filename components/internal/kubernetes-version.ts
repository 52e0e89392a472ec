// SPDX-License-Identifier: Apache-2.0
// Which Kubernetes versions are supported, and how they are written.

import type { InputProblem } from "./input-errors.ts";

/** Minor versions of Kubernetes 1 that are supported, oldest first. */
export const supportedMinors = [33, 34, 35, 36] as const;

/** The version that is installed when none is asked for. */
export const defaultKubernetesVersion = "v1.36.3";

const supportedText = `1.${supportedMinors[0]} to 1.${supportedMinors[supportedMinors.length - 1]}`;

/** The version as Kubernetes writes it, with a leading `v`. */
export function canonicalVersion(version: string): string {
  return version.startsWith("v") ? version : `v${version}`;
}

/** `v1.36` for `v1.36.3`. */
export function minorOf(version: string): string {
  return canonicalVersion(version).split(".").slice(0, 2).join(".");
}

/** The version is complete and of a supported minor. */
export function supportedVersionRule(propertyPath: string, version: string): InputProblem[] {
  const match = /^v?1\.(\d+)\.(\d+)$/.exec(version);
  if (match === null) {
    return [
      {
        propertyPath,
        reason: `"${version}" is not a complete Kubernetes version; write all three numbers, such as "${defaultKubernetesVersion}".`,
      },
    ];
  }
  if (supportedMinors.some((minor) => minor === Number(match[1]))) return [];
  return [
    {
      propertyPath,
      reason: `Kubernetes ${canonicalVersion(version)} is not supported: this release installs ${supportedText}; choose one of these, such as "${defaultKubernetesVersion}".`,
    },
  ];
}

const numbersOf = (version: string): number[] => canonicalVersion(version).slice(1).split(".").map(Number);

/** A running cluster goes to a newer patch version, or to the next minor version, and never back. */
export function upgradeRule(propertyPath: string, from: string, to: string): InputProblem[] {
  const [[, minor = 0, patch = 0], [, wantedMinor = 0, wantedPatch = 0]] = [numbersOf(from), numbersOf(to)];
  const [was, wanted] = [canonicalVersion(from), canonicalVersion(to)];
  if (wantedMinor < minor || (wantedMinor === minor && wantedPatch < patch)) {
    const reason = `is ${wanted} and the cluster runs ${was}, and kubeadm takes no cluster back; set it to ${was} or a newer version.`;
    return [{ propertyPath, reason }];
  }
  if (wantedMinor > minor + 1) {
    const reason = `is ${wanted} and the cluster runs ${was}, so a minor version would be skipped; set it to a version of 1.${minor + 1} first.`;
    return [{ propertyPath, reason }];
  }
  return [];
}
