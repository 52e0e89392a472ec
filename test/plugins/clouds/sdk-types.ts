// SPDX-License-Identifier: Apache-2.0
// Reads from a Pulumi package's own type declarations which inputs and outputs a resource has: nobody writes them down twice.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import type { Field, Fields, Shape } from "../shapes.ts";

export interface ResourceTypes {
  readonly inputs: Fields;
  /** Names of all properties that the resource has after its creation. */
  readonly outputs: readonly string[];
}

interface Scope {
  readonly folder: string;
  /** The package's own name of each interface, such as `eks.NodeGroupTaint`, to its shape. */
  readonly known: Map<string, Fields>;
  readonly namespaces: Map<string, readonly ts.Statement[]>;
}

const scopes = new Map<string, Scope>();

const scopeOf = (name: string): Scope => {
  const folder = join(import.meta.dirname, "../../../node_modules/@pulumi", name);
  const scope = scopes.get(name) ?? { folder, known: new Map(), namespaces: new Map() };
  if (!existsSync(join(folder, "package.json"))) {
    throw new Error(
      `the simulated ${name} reads its types from @pulumi/${name}, which is not installed: run npm install`,
    );
  }
  scopes.set(name, scope);
  return scope;
};

/** The version of an installed Pulumi package. */
export const sdkVersion = (name: string): string =>
  (JSON.parse(readFileSync(join(scopeOf(name).folder, "package.json"), "utf8")) as { version: string }).version;

const parse = (text: string): readonly ts.Statement[] =>
  ts.createSourceFile("sdk.d.ts", text, ts.ScriptTarget.Latest, false).statements;

/** The declarations in a namespace of the package's input types; the whole file would take seconds to read. */
const namespace = (scope: Scope, name: string): readonly ts.Statement[] => {
  const before = scope.namespaces.get(name);
  if (before !== undefined) return before;
  const text = readFileSync(join(scope.folder, "types/input.d.ts"), "utf8");
  const start = name === "" ? 0 : text.indexOf(`export declare namespace ${name} {`);
  if (start < 0) throw new Error(`${scope.folder}/types/input.d.ts has no namespace ${name}`);
  const body = name === "" ? text : text.slice(text.indexOf("{", start) + 1, text.indexOf("\n}", start));
  const statements = parse(body);
  scope.namespaces.set(name, statements);
  return statements;
};

const isInterface =
  (name: string) =>
  (statement: ts.Statement): statement is ts.InterfaceDeclaration =>
    ts.isInterfaceDeclaration(statement) && statement.name.text === name;

const entityText = (name: ts.EntityName): string =>
  ts.isIdentifier(name) ? name.text : `${entityText(name.left)}.${name.right.text}`;

/** An interface among the input types; types that contain themselves end in the same object. */
const inputType = (scope: Scope, path: string): Fields => {
  const before = scope.known.get(path);
  if (before !== undefined) return before;
  const fields: Record<string, Field> = {};
  const shape = { fields };
  scope.known.set(path, shape);
  const at = path.lastIndexOf(".");
  const name = path.slice(at + 1);
  const found = namespace(scope, at < 0 ? "" : path.slice(0, at)).find(isInterface(name));
  if (found === undefined) throw new Error(`${scope.folder}/types/input.d.ts has no ${path}`);
  Object.assign(fields, membersOf(scope, found));
  return shape;
};

const isUndefined = (node: ts.TypeNode): boolean =>
  node.kind === ts.SyntaxKind.UndefinedKeyword || node.kind === ts.SyntaxKind.NullKeyword;

const unionShape = (scope: Scope, node: ts.UnionTypeNode): Shape => {
  const rest = node.types.filter((member) => !isUndefined(member));
  if (rest.length === 1) return shapeOf(scope, rest[0] as ts.TypeNode);
  const shapes = rest.map((member) => shapeOf(scope, member));
  // `string | SomeEnum`: the enumeration only lists well-known strings.
  return shapes.every((shape) => shape === "string") ? "string" : "any";
};

const referenceShape = (scope: Scope, node: ts.TypeReferenceNode): Shape => {
  const name = entityText(node.typeName);
  if (name === "pulumi.Input") return shapeOf(scope, node.typeArguments?.[0] as ts.TypeNode);
  if (name.startsWith("inputs.")) return inputType(scope, name.slice("inputs.".length));
  if (name.startsWith("enums.")) return "string";
  const other = /^pulumiAws\.types\.input\.(.+)$/.exec(name)?.[1];
  return other === undefined ? "any" : inputType(scopeOf("aws"), other);
};

const shapeOf = (scope: Scope, node: ts.TypeNode): Shape => {
  if (node.kind === ts.SyntaxKind.StringKeyword) return "string";
  if (node.kind === ts.SyntaxKind.NumberKeyword) return "number";
  if (node.kind === ts.SyntaxKind.BooleanKeyword) return "boolean";
  if (ts.isArrayTypeNode(node)) return { list: shapeOf(scope, node.elementType) };
  if (ts.isParenthesizedTypeNode(node)) return shapeOf(scope, node.type);
  if (ts.isUnionTypeNode(node)) return unionShape(scope, node);
  if (ts.isTypeReferenceNode(node)) return referenceShape(scope, node);
  if (ts.isTypeLiteralNode(node)) {
    const index = node.members.find(ts.isIndexSignatureDeclaration);
    if (index !== undefined) return { map: shapeOf(scope, index.type) };
  }
  return "any";
};

const membersOf = (scope: Scope, declaration: ts.InterfaceDeclaration): Record<string, Field> =>
  Object.fromEntries(
    declaration.members.flatMap((member) => {
      if (!ts.isPropertySignature(member) || member.type === undefined) return [];
      const name = (member.name as ts.Identifier | ts.StringLiteral).text;
      return [[name, { shape: shapeOf(scope, member.type), required: member.questionToken === undefined }]];
    }),
  );

const outputNames = (statements: readonly ts.Statement[], name: string): string[] =>
  statements
    .filter(ts.isClassDeclaration)
    .filter((declaration) => declaration.name?.text === name)
    .flatMap(({ members }) => members.filter(ts.isPropertyDeclaration))
    .filter(({ modifiers }) => !modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword))
    .map((member) => (member.name as ts.Identifier).text);

/** What the package says about a resource type, such as `aws:eks/nodeGroup:NodeGroup` or `eks:index:Cluster`. */
export const resourceTypes = (token: string): ResourceTypes => {
  const [name = "", path = "", resource = ""] = token.split(":");
  const scope = scopeOf(name);
  const file = path === "index" ? `${resource.charAt(0).toLowerCase()}${resource.slice(1)}` : path;
  const statements = parse(readFileSync(join(scope.folder, `${file}.d.ts`), "utf8"));
  const declaration = statements.find(isInterface(`${resource}Args`));
  if (declaration === undefined) throw new Error(`@pulumi/${name} ${file}.d.ts declares no ${resource}Args`);
  return { inputs: { fields: membersOf(scope, declaration) }, outputs: outputNames(statements, resource) };
};

/** Names of a provider's own settings. */
export const providerTypes = (name: string): readonly string[] => {
  const statements = parse(readFileSync(join(scopeOf(name).folder, "provider.d.ts"), "utf8"));
  const declaration = statements.find(isInterface("ProviderArgs"));
  return (declaration?.members ?? []).map((member) => (member.name as ts.Identifier).text);
};

/** The values of an enumeration, such as `iam.ManagedPolicy` of aws. */
export const enumeration = (name: string, path: string): readonly string[] => {
  const [module = "", type = ""] = path.split(".");
  const text = readFileSync(join(scopeOf(name).folder, "types/enums", module, "index.d.ts"), "utf8");
  const start = text.indexOf(`export declare const ${type}: {`);
  if (start < 0) throw new Error(`@pulumi/${name} has no enumeration ${path}`);
  return [...text.slice(start, text.indexOf("\n};", start)).matchAll(/readonly \w+: "([^"]+)";/g)].map(
    ([, value]) => value as string,
  );
};
