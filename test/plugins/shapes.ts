// SPDX-License-Identifier: Apache-2.0
// Checks a resource's inputs against their shape: names that do not exist, what is missing, and values of another type.
import type { CheckFailure } from "./provider.ts";
import { Asset, type Dict, isDict, Secret, Unknown, type Value } from "./values.ts";

export type Shape =
  | "string"
  | "number"
  | "boolean"
  | "any"
  | "asset"
  | { readonly oneOf: readonly string[] }
  | { readonly list: Shape }
  | { readonly map: Shape }
  | Fields;

export interface Field {
  readonly shape: Shape;
  readonly required?: boolean;
  readonly default?: Value;
}

export interface Fields {
  readonly fields: Readonly<Record<string, Field>>;
}

/** The inputs with their defaults; what is wrong with them is added to `failures`. */
export const checkFields = (dict: Dict, { fields }: Fields, path: string, failures: CheckFailure[]): Dict => {
  const checked: Dict = {};
  const at = (name: string): string => (path === "" ? name : `${path}.${name}`);
  for (const [name, value] of Object.entries(dict)) {
    const field = fields[name];
    if (field !== undefined) checked[name] = checkValue(value, field.shape, at(name), failures);
    else if (!name.startsWith("__")) {
      failures.push({
        property: at(name),
        reason: `is not an input of this resource: remove it (known: ${Object.keys(fields).join(", ")})`,
      });
    }
  }
  for (const [name, field] of Object.entries(fields)) {
    if (checked[name] !== undefined) continue;
    if (field.default !== undefined) checked[name] = field.default;
    else if (field.required) failures.push({ property: at(name), reason: "is required, but was not given" });
  }
  return checked;
};

const checkAsset = (value: Value, path: string, failures: CheckFailure[]): void => {
  if (!(value instanceof Asset)) failures.push({ property: path, reason: "must be an asset or an archive" });
  else if (value.kind === "archive" && value.fields.path === undefined) {
    failures.push({ property: path, reason: "archive must be a path to a file or directory" });
  } else if (value.kind === "asset" && value.fields.path === undefined && value.fields.text === undefined) {
    failures.push({ property: path, reason: "asset must be a path-based file asset or a text asset" });
  }
};

const checkValue = (value: Value, shape: Shape, path: string, failures: CheckFailure[]): Value => {
  if (value instanceof Secret) return new Secret(checkValue(value.value, shape, path, failures));
  if (value instanceof Unknown || shape === "any") return value;
  const refuse = (what: string): Value => {
    failures.push({ property: path, reason: `must be ${what}` });
    return value;
  };
  if (shape === "asset") {
    checkAsset(value, path, failures);
    return value;
  }
  if (typeof shape === "string") return typeof value === shape ? value : refuse(`a ${shape}`);
  if ("oneOf" in shape) {
    return shape.oneOf.includes(value as string) ? value : refuse(`one of ${shape.oneOf.join(", ")}`);
  }
  if ("list" in shape) {
    if (!Array.isArray(value)) return refuse("a list");
    return value.map((member, i) => checkValue(member, shape.list, `${path}[${i}]`, failures));
  }
  if (!isDict(value)) return refuse("an object");
  if ("fields" in shape) return checkFields(value, shape, path, failures);
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, checkValue(member, shape.map, `${path}.${key}`, failures)]),
  );
};
