// SPDX-License-Identifier: Apache-2.0
// The rules for a cloud's networks: notation, size, and which of them may not share an address.

import { overlaps, parseCidr } from "../cidr.ts";
import type { InputProblem } from "../input-errors.ts";

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];

/** An IPv4 network whose prefix is one of a range. */
export function networkRule(
  propertyPath: string,
  text: string,
  longest: number,
  shortest: number,
  example: string,
): InputProblem[] {
  const network = parseCidr(text);
  if (network === undefined || network.family !== 4) {
    return problem(
      propertyPath,
      `is "${text}", which is not an IPv4 network in CIDR notation; write its first address and the length of its prefix, such as "${example}".`,
    );
  }
  if (network.prefixLength >= shortest && network.prefixLength <= longest) return [];
  return problem(
    propertyPath,
    `is "${text}", and the platform takes a prefix of /${shortest} to /${longest} here; use such as "${example}".`,
  );
}

/** Networks by property; the later of two that overlap is to blame. What is unknown or malformed is not judged here. */
export function disjointRule(networks: readonly (readonly [path: string, text: string | undefined])[]): InputProblem[] {
  return networks.flatMap(([path, text], index) => {
    const network = text === undefined ? undefined : parseCidr(text);
    if (network === undefined) return [];
    const clash = networks.slice(0, index).find(([, other]) => {
      const parsed = other === undefined ? undefined : parseCidr(other);
      return parsed !== undefined && overlaps(parsed, network);
    });
    if (clash === undefined) return [];
    return problem(
      path,
      `is "${text}", which overlaps ${clash[0]} "${clash[1]}"; choose networks that share no address.`,
    );
  });
}

/** Networks from which the API server may be reached. */
export function allowedNetworksRule(property: string, texts: readonly string[]): InputProblem[] {
  return texts.flatMap((text, index) =>
    parseCidr(text) === undefined
      ? problem(
          `${property}[${index}]`,
          `is "${text}", which is not a network in CIDR notation; write one address as "203.0.113.7/32".`,
        )
      : [],
  );
}
