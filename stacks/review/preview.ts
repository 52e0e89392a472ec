// SPDX-License-Identifier: Apache-2.0
// Reads what `pulumi preview --json` wrote: one change for each resource, and what the program said.

/** A resource's state as the preview shows it: secrets are hidden, and what is unknown is marked. */
export interface ResourceState {
  readonly type: string;
  readonly urn: string;
  readonly custom?: boolean;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly parent?: string;
  readonly dependencies?: readonly string[];
  readonly propertyDependencies?: Readonly<Record<string, readonly string[] | null>>;
  readonly additionalSecretOutputs?: readonly string[];
  readonly provider?: string;
}

/** What an update would do to a resource. */
export type Operation = "create" | "update" | "replace" | "delete" | "same";

/** A resource, and what becomes of it. */
export interface Change {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly operation: Operation;
  readonly before: ResourceState | undefined;
  readonly after: ResourceState | undefined;
  /** The properties because of which it is updated or replaced. */
  readonly reasons: readonly string[];
}

/** A preview. */
export interface Preview {
  readonly project: string;
  readonly stack: string;
  /** In the order in which the engine came to them. */
  readonly changes: readonly Change[];
  readonly messages: readonly { readonly severity: string; readonly text: string; readonly urn: string }[];
  /** Whether resources that do not change are among them. */
  readonly complete: boolean;
}

interface Step {
  readonly op: string;
  readonly urn: string;
  readonly oldState?: ResourceState;
  readonly newState?: ResourceState;
  readonly diffReasons?: readonly string[];
  readonly replaceReasons?: readonly string[];
}

interface Digest {
  readonly steps?: readonly Step[];
  readonly diagnostics?: readonly { readonly message?: string; readonly severity?: string; readonly urn?: string }[];
}

/** What the preview writes in the place of a secret. */
export const hidden = "[secret]";

/** What the preview writes in the place of values of each kind that only the update will tell. */
const unknowns: ReadonlySet<unknown> = new Set([
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

export const isUnknown = (value: unknown): boolean => unknowns.has(value);

const operations: Readonly<Record<string, Operation>> = {
  create: "create",
  update: "update",
  same: "same",
  read: "same",
  refresh: "same",
  delete: "delete",
  discard: "delete",
  replace: "replace",
  "create-replacement": "replace",
  "delete-replaced": "replace",
  "read-replacement": "replace",
  "discard-replaced": "replace",
  import: "create",
  "import-replacement": "replace",
};

function parseDigest(text: string): Digest {
  // The command's own warnings may stand before the document.
  const start = text.search(/^\{/m);
  if (start < 0) throw new Error(`The preview is not JSON: make it with "pulumi preview --json --show-sames".`);
  try {
    return JSON.parse(text.slice(start)) as Digest;
  } catch (error) {
    throw new Error(
      `The preview is not complete JSON (${(error as Error).message}): make it again with "pulumi preview --json --show-sames".`,
    );
  }
}

function changeOf(urn: string, steps: readonly Step[]): Change {
  const found = steps.map(({ op }) => operations[op]);
  const unnamed = steps.find(({ op }) => operations[op] === undefined);
  if (unnamed !== undefined)
    throw new Error(`The preview has an operation "${unnamed.op}" that this version does not know.`);
  const operation = found.includes("replace") ? "replace" : (found.at(-1) as Operation);
  const before = steps.find(({ oldState }) => oldState !== undefined)?.oldState;
  const after = steps.findLast(({ newState }) => newState !== undefined)?.newState;
  const parts = urn.split("::");
  return {
    urn,
    type: parts[2]?.split("$").at(-1) ?? "",
    name: parts.slice(3).join("::"),
    operation,
    before,
    after: operation === "delete" ? undefined : after,
    reasons: [...new Set(steps.flatMap((step) => step.replaceReasons ?? step.diffReasons ?? []))],
  };
}

/** Reads a preview; an error says what is wrong with it. */
export function readPreview(text: string): Preview {
  const { steps = [], diagnostics = [] } = parseDigest(text);
  const byUrn = new Map<string, Step[]>();
  for (const step of steps) byUrn.set(step.urn, [...(byUrn.get(step.urn) ?? []), step]);
  const [, stack = "", , project = ""] = /^urn:pulumi:(.*?)(::)(.*?)::/.exec(steps[0]?.urn ?? "") ?? [];
  const changes = [...byUrn].map(([urn, of]) => changeOf(urn, of));
  const failure = diagnostics.find(({ severity }) => severity === "error");
  if (changes.length === 0) {
    throw new Error(`The preview has no resources${failure === undefined ? "" : `: ${failure.message?.trim()}`}.`);
  }
  return {
    project,
    stack,
    changes,
    messages: diagnostics.map(({ message = "", severity = "info", urn = "" }) => ({
      severity,
      urn,
      text: message.trim(),
    })),
    complete:
      changes.every(({ operation, type }) => type === "pulumi:pulumi:Stack" || operation === "create") ||
      changes.some(({ operation, type }) => operation === "same" && type !== "pulumi:pulumi:Stack"),
  };
}

/** Everything that a resource waits for. */
export function dependenciesOf(state: ResourceState | undefined): string[] {
  const byProperty = Object.values(state?.propertyDependencies ?? {}).flatMap((urns) => urns ?? []);
  // A provider is named by its URN and its id.
  const provider = state?.provider?.split("::").slice(0, -1).join("::");
  return [...new Set([...(state?.dependencies ?? []), ...byProperty, ...(provider === undefined ? [] : [provider])])];
}
