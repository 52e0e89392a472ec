// SPDX-License-Identifier: Apache-2.0
// Knows the inputs of the command package's resources and refuses what the official plugin would not take.
import type { CheckFailure } from "../provider.ts";
import { checkFields, type Field, type Fields } from "../shapes.ts";
import type { Dict } from "../values.ts";

const logging = { oneOf: ["stdout", "stderr", "stdoutAndStderr", "none"] };

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
  logging: { shape: logging },
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
  logging: { shape: logging },
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
