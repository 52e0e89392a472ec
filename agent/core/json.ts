// SPDX-License-Identifier: Apache-2.0
// Reads fields of the API's JSON leniently: what is absent or of another type reads as empty.

export type Json = Readonly<Record<string, unknown>>;

export const record = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
export const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(record) : []);
export const text = (value: unknown): string => (typeof value === "string" ? value : "");
export const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
export const integer = (value: unknown): number => (typeof value === "number" && Number.isInteger(value) ? value : 0);
