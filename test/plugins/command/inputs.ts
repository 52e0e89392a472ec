// SPDX-License-Identifier: Apache-2.0
// Knows the inputs of the command package's resources and refuses what the official plugin would not take.
import type { CheckFailure } from "../provider.ts";
import { Asset, type Dict, isDict, Secret, Unknown, type Value } from "../values.ts";

type Shape = "string" | "number" | "boolean" | "any" | "asset" | "logging" | { list: Shape } | { map: Shape } | Fields;

interface Field {
  readonly shape: Shape;
  readonly required?: true;
  readonly default?: Value;
}

interface Fields {
  readonly fields: Readonly<Record<string, Field>>;
}

const loggingValues = ["stdout", "stderr", "stdoutAndStderr", "none"];

const endpoint: Record<string, Field> = {
  agentSocketPath: { shape: "string" },
  dialErrorLimit: { shape: "number", default: 10 },
  host: { shape: "string", required: true },
  hostKey: { shape: "string" },
  password: { shape: "string" },
  perDialTimeout: { shape: "number", default: 15 },
  port: { shape: "number", default: 22 },
  privateKey: { shape: "string" },
  privateKeyPassword: { shape: "string" },
  user: { shape: "string", default: "root" },
};
const connection: Fields = { fields: { ...endpoint, proxy: { shape: { fields: endpoint } } } };

const lifecycle: Record<string, Field> = {
  addPreviousOutputInEnv: { shape: "boolean" },
  create: { shape: "string" },
  delete: { shape: "string" },
  environment: { shape: { map: "string" } },
  logging: { shape: "logging" },
  stdin: { shape: "string" },
  triggers: { shape: { list: "any" } },
  update: { shape: "string" },
};

const run: Record<string, Field> = {
  addPreviousOutputInEnv: { shape: "boolean" },
  archivePaths: { shape: { list: "string" } },
  assetPaths: { shape: { list: "string" } },
  dir: { shape: "string" },
  environment: { shape: { map: "string" } },
  interpreter: { shape: { list: "string" } },
  logging: { shape: "logging" },
  stdin: { shape: "string" },
};

export const tokens = {
  local: "command:local:Command",
  remote: "command:remote:Command",
  copy: "command:remote:CopyToRemote",
  run: "command:local:run",
} as const;

const resources: Readonly<Record<string, Fields>> = {
  [tokens.local]: { fields: { ...run, ...lifecycle } },
  [tokens.remote]: { fields: { ...lifecycle, connection: { shape: connection, required: true } } },
  [tokens.copy]: {
    fields: {
      connection: { shape: connection, required: true },
      remotePath: { shape: "string", required: true },
      source: { shape: "asset", required: true },
      triggers: { shape: { list: "any" } },
    },
  },
  [tokens.run]: { fields: { ...run, command: { shape: "string", required: true } } },
};

/** The names of a resource's inputs. */
export const inputNames = (token: string): string[] => Object.keys(resources[token]?.fields ?? {});

const fits = (value: Value, shape: "string" | "number" | "boolean"): boolean => typeof value === shape;

const checkFields = (dict: Dict, { fields }: Fields, path: string, failures: CheckFailure[]): Dict => {
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
  if (shape === "logging") {
    return loggingValues.includes(value as string) ? value : refuse(`one of ${loggingValues.join(", ")}`);
  }
  if (typeof shape === "string") return fits(value, shape) ? value : refuse(`a ${shape}`);
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

/** The inputs with their defaults, and what is wrong with them. */
export const checkInputs = (token: string, news: Dict): { inputs: Dict; failures: CheckFailure[] } => {
  const shape = resources[token];
  if (shape === undefined) {
    throw new Error(
      `the stand-in for the command plugin has no ${token}: it has ${Object.keys(resources).join(", ")}; install the official plugin for the rest`,
    );
  }
  const failures: CheckFailure[] = [];
  return { inputs: checkFields(news, shape, "", failures), failures };
};
