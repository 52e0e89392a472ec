// SPDX-License-Identifier: Apache-2.0
// Describes one type of resource of a simulated cloud: what can change, what it refers to, and what making it does.
import type { CheckFailure, Subject } from "../provider.ts";
import { type Dict, isDict, type Value } from "../values.ts";
import type { Account, Stored } from "./account.ts";
import type { Clock } from "./clock.ts";

/** What a kind works in. */
export interface Surroundings {
  readonly account: Account;
  readonly clock: Clock;
  readonly subject: Pick<Subject, "name" | "signal" | "log">;
  /** Settings of the provider, such as the region. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface Reference {
  readonly type: string;
  /** What of the other resource stands in the property: its id, or one of these outputs. */
  readonly by?: readonly string[];
  /** The cloud's error code for one that is not there. */
  readonly missing: string;
  /** The other resource cannot be deleted before this one. */
  readonly holds: boolean;
}

export interface Kind {
  readonly token: string;
  /** Properties whose change needs a new resource; `a.b` stands for all below it. */
  readonly immutable: readonly string[];
  /** What the cloud sets: not known before the resource is made. */
  readonly computed: readonly string[];
  /** Properties of the program to which the cloud adds members, by name. */
  readonly merged?: Readonly<Record<string, readonly string[]>>;
  /** The property that gets a name made of the resource's own, with random letters, when the program gives none. */
  readonly autoName?: string;
  /** No two resources of the account may have the same value here. */
  readonly unique?: string;
  readonly references?: Readonly<Record<string, Reference>>;
  /** How long, in simulated minutes, a deletion waits for what still refers to the resource. */
  readonly releaseMinutes?: number;
  /** The cloud's error code for a resource that something still refers to. */
  readonly held?: string;
  readonly defaults?: Dict;
  /** What is wrong with inputs that the types let pass. They hold no secrets, but may hold unknowns. */
  check?(inputs: Dict): CheckFailure[];
  /** A resource that has to be made anew for another reason than its inputs. */
  broken?(outputs: Dict): string | undefined;
  create(inputs: Dict, around: Surroundings): Promise<Made>;
  update?(stored: Stored, inputs: Dict, around: Surroundings): Promise<Dict>;
  remove?(stored: Stored, around: Surroundings): Promise<void>;
}

export interface Made {
  readonly id: string;
  /** The computed outputs. */
  readonly outputs: Dict;
}

/** The resource exists in the account, but did not come to work. */
export class CreatedInFailure extends Error {
  readonly made: Made;
  constructor(made: Made, reason: string) {
    super(reason);
    this.made = made;
  }
}

/** All values at a path such as `vpcConfig.subnetIds`, lists taken apart. */
export const valuesAt = (value: Value | undefined, path: string): Value[] => {
  const [name = "", ...rest] = path.split(".");
  const inner = isDict(value) ? value[name] : undefined;
  if (inner === undefined) return [];
  const each = Array.isArray(inner) ? inner : [inner];
  return rest.length === 0 ? each : each.flatMap((member) => valuesAt(member, rest.join(".")));
};

export const text = (value: Value | undefined): string => (typeof value === "string" ? value : "");
export const record = (value: Value | undefined): Dict => (isDict(value) ? value : {});
