// SPDX-License-Identifier: Apache-2.0
// The engine's property values as TypeScript values: secrets, unknowns, assets and archives, and back again.

/** Marks an object on the wire as something else than a plain object; `kinds` says as what. */
const signature = "4dabf18193072939515e22adb298388d";
const kinds = {
  secret: "1b47061264138c4ac30d75fd1eb44270",
  asset: "c44067f5952c0a294b673a41bacd8c17",
  archive: "0def7320c3a5731c473e5ecbe6d01bc7",
  resource: "5cf8f73096256a8f31e491e813e4eb8e",
  output: "d0e6a833031e9bbcd3f4e8bde6ca49a4",
} as const;
/** An unknown value travels as a string; these are the ones for a string, number, boolean, array and object. */
const unknownMark = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export type Value = null | boolean | number | string | Value[] | Dict | Secret | Unknown | Asset;
export interface Dict {
  [key: string]: Value;
}

export class Secret {
  readonly value: Value;
  constructor(value: Value) {
    this.value = value;
  }
}

export class Unknown {
  readonly unknown = true;
}
export const unknown = new Unknown();

/** An asset or an archive, with the fields the engine sent (path, text, uri, assets, hash). */
export class Asset {
  readonly kind: "asset" | "archive";
  readonly fields: { readonly path?: string; readonly text?: string; readonly uri?: string; readonly hash?: string };
  readonly assets: Record<string, Asset> | undefined;
  constructor(kind: "asset" | "archive", fields: Asset["fields"], assets?: Record<string, Asset>) {
    this.kind = kind;
    this.fields = fields;
    this.assets = assets;
  }
}

export const isDict = (value: unknown): value is Dict =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Secret || value instanceof Unknown || value instanceof Asset);

const decodeAsset = (kind: "asset" | "archive", raw: Record<string, unknown>): Asset => {
  const fields: Record<string, string> = {};
  for (const key of ["path", "text", "uri", "hash"]) {
    const field = raw[key];
    if (typeof field === "string" && field !== "") fields[key] = field;
  }
  const children = raw["assets"];
  if (typeof children !== "object" || children === null) return new Asset(kind, fields);
  const assets: Record<string, Asset> = {};
  for (const [name, child] of Object.entries(children)) {
    const decoded = decodeValue(child);
    if (decoded instanceof Asset) assets[name] = decoded;
  }
  return new Asset(kind, fields, assets);
};

const decodeValue = (raw: unknown): Value => {
  if (raw === null || raw === undefined) return null;
  if (typeof raw === "boolean" || typeof raw === "number") return raw;
  if (typeof raw === "string") return raw === unknownMark ? unknown : raw;
  if (Array.isArray(raw)) return raw.map(decodeValue);
  if (typeof raw !== "object") throw new Error(`a property value of type ${typeof raw} cannot be read`);
  const object = raw as Record<string, unknown>;
  switch (object[signature]) {
    case undefined:
      return decodeDict(object);
    case kinds.secret:
      return new Secret(decodeValue(object["value"]));
    case kinds.asset:
      return decodeAsset("asset", object);
    case kinds.archive:
      return decodeAsset("archive", object);
    case kinds.output: {
      const inner = "value" in object ? decodeValue(object["value"]) : unknown;
      return object["secret"] === true ? new Secret(inner) : inner;
    }
    case kinds.resource:
      return object["id"] === undefined ? decodeValue(object["urn"]) : decodeValue(object["id"]);
    default:
      throw new Error(`a property value with the signature ${String(object[signature])} is not known to this stand-in`);
  }
};

/** An object from the wire; null members are left out, as the engine's own providers do. */
export const decodeDict = (raw: Record<string, unknown>): Dict => {
  const dict: Dict = {};
  for (const [key, member] of Object.entries(raw)) {
    const value = decodeValue(member);
    if (value !== null) dict[key] = value;
  }
  return dict;
};

const encodeAsset = (asset: Asset): Record<string, unknown> => {
  const encoded: Record<string, unknown> = { [signature]: kinds[asset.kind], ...asset.fields };
  if (asset.assets !== undefined) {
    encoded["assets"] = Object.fromEntries(Object.entries(asset.assets).map(([k, child]) => [k, encodeAsset(child)]));
  }
  return encoded;
};

const encodeValue = (value: Value): unknown => {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(encodeValue);
  if (value instanceof Secret) return { [signature]: kinds.secret, value: encodeValue(value.value) };
  if (value instanceof Unknown) return unknownMark;
  if (value instanceof Asset) return encodeAsset(value);
  return encodeDict(value);
};

export const encodeDict = (dict: Dict): Record<string, unknown> => {
  const encoded: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(dict)) if (value !== null) encoded[key] = encodeValue(value);
  return encoded;
};

/** The value without its secret marks, at any depth. */
export const reveal = (value: Value): Value => {
  if (value instanceof Secret) return reveal(value.value);
  if (Array.isArray(value)) return value.map(reveal);
  if (isDict(value)) return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, reveal(member)]));
  return value;
};

export const revealDict = (dict: Dict): Dict =>
  Object.fromEntries(Object.entries(dict).map(([key, member]) => [key, reveal(member)]));

const some = (value: Value, test: (value: Value) => boolean): boolean => {
  if (test(value)) return true;
  if (value instanceof Secret) return some(value.value, test);
  if (Array.isArray(value)) return value.some((member) => some(member, test));
  return isDict(value) && Object.values(value).some((member) => some(member, test));
};

export const containsSecret = (value: Value): boolean => some(value, (candidate) => candidate instanceof Secret);
export const containsUnknown = (value: Value): boolean => some(value, (candidate) => candidate instanceof Unknown);
