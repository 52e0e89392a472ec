// SPDX-License-Identifier: Apache-2.0
// Writes a preview by hand, in the engine's form, for what no recorded one shows.

interface Piece {
  readonly op: string;
  readonly type: string;
  readonly name: string;
  readonly parent?: string;
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly waitsFor?: readonly string[];
  /** What each property is made of. */
  readonly madeOf?: Readonly<Record<string, readonly string[]>>;
  readonly custom?: boolean;
  readonly because?: readonly string[];
}

/** The JSON of a preview with these steps. */
export function previewOf(pieces: readonly Piece[], diagnostics: readonly object[] = []): string {
  const urnOf = ({ type, name }: Pick<Piece, "type" | "name">): string => `urn:pulumi:prod::shop::${type}::${name}`;
  const named = (name: string): string => {
    const found = pieces.find((piece) => piece.name === name);
    if (found === undefined) throw new Error(`the test's preview has no ${name}`);
    return urnOf(found);
  };
  const steps = pieces.map((piece) => {
    const state = (inputs: Piece["before"]) =>
      inputs && {
        urn: urnOf(piece),
        type: piece.type,
        custom: piece.custom ?? true,
        inputs,
        ...(piece.outputs && { outputs: piece.outputs }),
        ...(piece.parent && { parent: named(piece.parent) }),
        dependencies: (piece.waitsFor ?? []).map(named),
        propertyDependencies: Object.fromEntries(
          Object.entries(piece.madeOf ?? {}).map(([property, names]) => [property, names.map(named)]),
        ),
      };
    return {
      op: piece.op,
      urn: urnOf(piece),
      oldState: state(piece.before),
      newState: state(piece.after),
      ...(piece.because && { diffReasons: piece.because }),
    };
  });
  return JSON.stringify({ steps, diagnostics });
}

export const stackStep: Piece = {
  op: "same",
  type: "pulumi:pulumi:Stack",
  name: "shop-prod",
  before: {},
  after: {},
  custom: false,
};
export const clusterStep = (op: string): Piece => ({
  op,
  type: "sansproxy:index:BareMetalCluster",
  name: "metal",
  custom: false,
  before: {},
  after: {},
});
export const joinStep = (op: string, node: string): Piece => ({
  op,
  type: "command:remote:Command",
  name: `metal-${node}-join`,
  parent: "metal",
  before: { create: "old" },
  after: { create: "new" },
});
export const upgradeStep = (step: string, from: string, to: string): Piece => ({
  op: from === to ? "same" : "update",
  type: "command:remote:Command",
  name: `metal-${step}`,
  parent: "metal",
  before: { stdin: `KUBERNETES_VERSION='${from}'\n` },
  after: { stdin: `KUBERNETES_VERSION='${to}'\n` },
});
export const release = (before: object | undefined, after: object | undefined, op = "update"): Piece => {
  const inputs = (values: object | undefined) =>
    values && { name: "cilium", chart: "cilium", skipAwait: true, ...values };
  return {
    op,
    type: "kubernetes:helm.sh/v3:Release",
    name: "datapath-release",
    ...(before && { before: inputs(before) as Record<string, unknown> }),
    ...(after && { after: inputs(after) as Record<string, unknown> }),
  };
};
