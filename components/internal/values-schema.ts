// SPDX-License-Identifier: Apache-2.0
// Checks chart values against the chart's values.schema.json: unknown keys, types, enumerations, lengths and bounds.

import type { InputProblem } from "./input-errors.ts";
import { nearestName } from "./nearest-name.ts";

/** The part of JSON Schema that the chart uses. */
export interface ValuesSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, ValuesSchema>>;
  readonly additionalProperties?: boolean | ValuesSchema;
  readonly items?: ValuesSchema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  /** `#/definitions/NAME`. */
  readonly $ref?: string;
  readonly definitions?: Readonly<Record<string, ValuesSchema>>;
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function typeProblem(schema: ValuesSchema, path: string, value: unknown): InputProblem[] {
  if (schema.type === undefined) return [];
  const allowed = typeof schema.type === "string" ? [schema.type] : schema.type;
  const actual = typeOf(value);
  if (allowed.includes(actual) || (actual === "integer" && allowed.includes("number"))) return [];
  return [
    {
      propertyPath: path,
      reason: `is ${JSON.stringify(value)}, which is ${actual}; the chart takes ${allowed.join(" or ")} here.`,
    },
  ];
}

function valueProblems(schema: ValuesSchema, path: string, value: unknown): InputProblem[] {
  const wrong = (rule: string): InputProblem[] => [
    { propertyPath: path, reason: `is ${JSON.stringify(value)}; the chart takes ${rule} here.` },
  ];
  if (schema.const !== undefined && value !== schema.const) return wrong(`only ${JSON.stringify(schema.const)}`);
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return wrong(`one of ${schema.enum.map((item) => JSON.stringify(item)).join(", ")}`);
  }
  if (typeof value === "string" && schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) {
    return wrong(`text of the form ${schema.pattern}`);
  }
  if (typeof value === "string" && value.length < (schema.minLength ?? 0)) {
    return wrong(`text of at least ${schema.minLength} characters`);
  }
  if (typeof value !== "number") return [];
  const { exclusiveMinimum: above } = schema;
  if (above !== undefined && value <= above) return wrong(`more than ${above}`);
  if (schema.minimum !== undefined && value < schema.minimum) return wrong(`${schema.minimum} or more`);
  if (schema.maximum !== undefined && value > schema.maximum) return wrong(`${schema.maximum} or less`);
  return [];
}

function unknownKey(path: string, key: string, known: readonly string[]): InputProblem {
  const near = nearestName(key, known);
  const remedy = near === undefined ? "leave it out" : `did you mean "${near}"`;
  return {
    propertyPath: path,
    reason: `the agent knows no value "${key}", and an unknown value would change nothing; ${remedy}${near === undefined ? "." : "?"}`,
  };
}

function objectProblems(
  root: ValuesSchema,
  schema: ValuesSchema,
  path: string,
  value: object,
  beside: readonly string[] = [],
): InputProblem[] {
  const known = schema.properties ?? {};
  return Object.entries(value).flatMap(([key, child]) => {
    const childPath = path === "" ? key : `${path}.${key}`;
    if (child === undefined) return [];
    if (Object.hasOwn(known, key)) return problemsUnder(root, known[key] as ValuesSchema, childPath, child);
    if (schema.additionalProperties === false) return [unknownKey(childPath, key, [...Object.keys(known), ...beside])];
    return typeof schema.additionalProperties === "object"
      ? problemsUnder(root, schema.additionalProperties, childPath, child)
      : [];
  });
}

function resolved(root: ValuesSchema, schema: ValuesSchema): ValuesSchema {
  if (schema.$ref === undefined) return schema;
  const name = /^#\/definitions\/(\w+)$/.exec(schema.$ref)?.[1];
  const target = name === undefined ? undefined : root.definitions?.[name];
  if (target !== undefined) return target;
  throw new Error(
    `The chart's values.schema.json refers to ${schema.$ref}, which it does not define; install the package again.`,
  );
}

function problemsUnder(
  root: ValuesSchema,
  reference: ValuesSchema,
  path: string,
  value: unknown,
  beside?: readonly string[],
): InputProblem[] {
  const schema = resolved(root, reference);
  const wrongType = typeProblem(schema, path, value);
  if (wrongType.length > 0) return wrongType;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return [];
    return value.flatMap((item, index) => problemsUnder(root, items, `${path}[${index}]`, item));
  }
  if (typeof value === "object" && value !== null) return objectProblems(root, schema, path, value, beside);
  return valueProblems(schema, path, value);
}

/**
 * What is wrong with `value`, with the path of each wrong place under `path`; `beside` are names that are none of the
 * chart's, and that may have been meant.
 */
export function schemaProblems(
  schema: ValuesSchema,
  path: string,
  value: unknown,
  beside?: readonly string[],
): InputProblem[] {
  return problemsUnder(schema, schema, path, value, beside);
}
