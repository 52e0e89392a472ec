// SPDX-License-Identifier: Apache-2.0
// Reads the values of command-line options: durations, ports and lists; each refusal says what is accepted.
import { InvalidArgumentError } from "commander";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const LONGEST_MS = 24 * 3_600_000;

/** `90s`, `5m`, `1m30s`, `500ms` in milliseconds. */
export const parseDuration = (text: string): number => {
  if (!/^(?:\d+(?:ms|s|m|h))+$/.test(text)) {
    throw new InvalidArgumentError("A duration is a number with a unit: 500ms, 90s, 5m, 1m30s, 1h.");
  }
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)(ms|s|m|h)/g))
    totalMs += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  if (totalMs <= 0 || totalMs > LONGEST_MS)
    throw new InvalidArgumentError("A duration is more than 0 and at most 24h.");
  return totalMs;
};

export const parsePort = (text: string): number => {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError("A port is a number from 0 to 65535.");
  return port;
};

/** A comma-separated list of Node names. */
export const parseNodeNames = (text: string): readonly string[] => {
  const names = text.split(",").map((name) => name.trim());
  const wrong = names.find((name) => !/^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/.test(name));
  if (wrong !== undefined) {
    throw new InvalidArgumentError(`Node names are lower-case DNS names, separated by commas; "${wrong}" is not one.`);
  }
  return [...new Set(names)];
};
