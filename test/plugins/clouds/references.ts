// SPDX-License-Identifier: Apache-2.0
// Holds the resources of a simulated account together: nothing refers to what is not there, and what is referred to stays.
import type { Dict } from "../values.ts";
import type { Account, Stored } from "./account.ts";
import { type Kind, type Reference, type Surroundings, text, valuesAt } from "./kind.ts";

const identities = (target: Stored, { by }: Reference): string[] =>
  by === undefined ? [target.id] : by.map((output) => (output === "id" ? target.id : text(target.outputs[output])));

/** Fails for the first reference to something that the account does not have. */
export const requireReferences = (
  account: Account,
  kinds: ReadonlyMap<string, Kind>,
  kind: Kind,
  inputs: Dict,
): void => {
  for (const [path, reference] of Object.entries(kind.references ?? {})) {
    if (!kinds.has(reference.type))
      throw new Error(`${kind.token} refers to ${reference.type}, which is not simulated`);
    const targets = account.list(reference.type);
    for (const value of valuesAt(inputs, path)) {
      if (targets.some((target) => identities(target, reference).includes(text(value)))) continue;
      throw new Error(`${reference.missing}: ${path} "${text(value)}" does not exist (no such ${reference.type})`);
    }
  }
};

/** What cannot do without `target`. */
const holders = (account: Account, kinds: ReadonlyMap<string, Kind>, target: Stored): Stored[] =>
  [...kinds.values()].flatMap((kind) => {
    const references = Object.entries(kind.references ?? {}).filter(
      ([, { type, holds }]) => holds && type === target.type,
    );
    if (references.length === 0) return [];
    return account
      .list(kind.token)
      .filter((other) =>
        references.some(([path, reference]) =>
          valuesAt(other.inputs, path).some((value) => identities(target, reference).includes(text(value))),
        ),
      );
  });

/** Waits, as long as the kind does, until nothing refers to the resource any more. */
export const awaitRelease = async (
  { account, clock, subject }: Surroundings,
  kinds: ReadonlyMap<string, Kind>,
  kind: Kind,
  target: Stored,
): Promise<void> => {
  let last: Stored[] = [];
  const released = await clock.until(kind.releaseMinutes ?? 0, subject.signal, async () => {
    last = holders(account, kinds, target);
    return last.length === 0 ? true : undefined;
  });
  if (released === true) return;
  const names = last.map(({ id, name }) => (name === "" ? id : `${id} (${name})`));
  throw new Error(
    `${kind.held ?? "DependencyViolation"}: ${target.id} has dependencies and cannot be deleted: ${names.join(", ")}`,
  );
};
