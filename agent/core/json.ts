// SPDX-License-Identifier: Apache-2.0
// Reads fields of the API's JSON leniently: what is absent or of another type reads as empty.

export type Json = Readonly<Record<string, unknown>>;

/** One for all that have nothing. */
const NONE: readonly never[] = [];

export const record = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
export const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.map(record) : NONE);
export const text = (value: unknown): string => (typeof value === "string" ? value : "");
/** What it was given, where all of that are texts: a filtered copy would have room to spare, for ever. */
export const texts = (value: unknown): readonly string[] => {
  if (!Array.isArray(value) || value.length === 0) return NONE;
  return value.every((item) => typeof item === "string") ? value : value.filter((item) => typeof item === "string");
};
export const integer = (value: unknown): number => (typeof value === "number" && Number.isInteger(value) ? value : 0);
