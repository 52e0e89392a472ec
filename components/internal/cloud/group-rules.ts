// SPDX-License-Identifier: Apache-2.0
// The rules that groups of nodes have on every cloud: names, sizes, labels, versions.

import type { InputProblem } from "../input-errors.ts";
import { minorOf } from "../kubernetes-version.ts";

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];

export function groupNamesRule(property: string, names: readonly string[], longest: number): InputProblem[] {
  if (names.length === 0) return problem(property, "is empty, so there would be no node; give one group at least.");
  return names.flatMap((name, index) => {
    const path = `${property}[${index}].name`;
    if (name.length > longest || !/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name)) {
      return problem(
        path,
        `is "${name}"; use at most ${longest} lower-case letters, digits and dashes, a letter first.`,
      );
    }
    const first = names.indexOf(name);
    if (first === index) return [];
    return problem(path, `is "${name}", which ${property}[${first}] has already; give every group its own name.`);
  });
}

/** How many nodes a group has: at least, at first, at most. */
export interface GroupSize {
  readonly minSize: number;
  readonly desiredSize: number;
  readonly maxSize: number;
}

export function groupSizeRule(path: string, { minSize, desiredSize, maxSize }: GroupSize): InputProblem[] {
  for (const [name, value] of Object.entries({ minSize, desiredSize, maxSize })) {
    if (!Number.isInteger(value) || value < 0 || value > 1000) {
      return problem(`${path}.${name}`, `is ${value}, which is no number of nodes; use a whole number up to 1000.`);
    }
  }
  if (maxSize < 1) return problem(`${path}.maxSize`, "is 0, so the group could never have a node; use 1 or more.");
  if (minSize > maxSize) {
    return problem(`${path}.minSize`, `is ${minSize}, more than maxSize ${maxSize}; lower it, or raise maxSize.`);
  }
  if (desiredSize >= minSize && desiredSize <= maxSize) return [];
  return problem(
    `${path}.desiredSize`,
    `is ${desiredSize}, which is not between minSize ${minSize} and maxSize ${maxSize}; choose a number in between.`,
  );
}

export function nodesAtFirstRule(property: string, desiredSizes: readonly number[]): InputProblem[] {
  if (desiredSizes.length === 0 || desiredSizes.some((size) => size > 0)) return [];
  return problem(
    property,
    "has no node at first in any group, so that cluster DNS never starts and nothing can be verified; give one group a desiredSize of 1 or more.",
  );
}

export function labelsRule(path: string, labels: Readonly<Record<string, unknown>>): InputProblem[] {
  return Object.keys(labels).flatMap((key) => {
    const place = `${path}["${key}"]`;
    if (!/^([a-z0-9]([a-z0-9.-]*[a-z0-9])?\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(key)) {
      return problem(place, 'is not a label\'s key; write one such as "team".');
    }
    const reserved = /^([a-z0-9.-]+\.)?(kubernetes\.io|k8s\.io)\//.test(key) && !key.startsWith("node.kubernetes.io/");
    if (!reserved) return [];
    return problem(place, "is a label that only Kubernetes itself may give; choose a prefix of your own.");
  });
}

/** A node is never newer than its control plane, and at most three minor versions older; judged where that is known. */
export function nodeVersionRule(path: string, version: string, controlPlane: string | undefined): InputProblem[] {
  const minor = (text: string): number => Number(minorOf(text).split(".")[1]);
  if (!/^1\.\d+$/.test(version)) {
    return problem(path, `is "${version}", which is not a minor version of Kubernetes; write one such as "1.35".`);
  }
  const behind = controlPlane === undefined ? 0 : minor(controlPlane) - minor(version);
  if (behind >= 0 && behind <= 3) return [];
  return problem(
    path,
    behind < 0
      ? `is "${version}", newer than the control plane's ${controlPlane}; upgrade the control plane first.`
      : `is "${version}", ${behind} minor versions behind the control plane's ${controlPlane}, and a kubelet may be 3 behind; upgrade the nodes first.`,
  );
}

export function diskSizeRule(path: string, gib: number): InputProblem[] {
  if (Number.isInteger(gib) && gib >= 20 && gib <= 16384) return [];
  return problem(path, `is ${gib} GiB; images need 20 at least: use a whole number from 20 to 16384.`);
}
