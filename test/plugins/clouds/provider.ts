// SPDX-License-Identifier: Apache-2.0
// Serves kinds of resources as a Pulumi provider over a simulated account: checks, differences, calls that are slow and fail.
import { randomBytes } from "node:crypto";
import { difference } from "../difference.ts";
import {
  type Checked,
  type CheckFailure,
  type Differs,
  InitializationFailed,
  type Provider,
  type Subject,
} from "../provider.ts";
import { checkFields } from "../shapes.ts";
import { type Dict, isDict, reveal, revealDict, unknown } from "../values.ts";
import { Account, type Stored } from "./account.ts";
import { clock } from "./clock.ts";
import { type Fault, strike, Throttled } from "./faults.ts";
import { CreatedInFailure, type Kind, record, type Surroundings, text } from "./kind.ts";
import { awaitRelease, requireReferences } from "./references.ts";
import { providerTypes, type ResourceTypes, resourceTypes, sdkVersion } from "./sdk-types.ts";

/** A function of the cloud that a program can ask, such as `aws:index/getRegion:getRegion`. */
export type CloudFunction = (args: Dict, around: Omit<Surroundings, "subject">) => Dict;

/** A throttled call is made so many times before the provider gives up. */
const attempts = 5;

export const simulatedCloud = (
  name: string,
  kinds: readonly Kind[],
  functions: Readonly<Record<string, CloudFunction>>,
): Provider => {
  const byToken = new Map(kinds.map((kind) => [kind.token, kind]));
  const types = new Map<string, ResourceTypes>();
  const settings: Record<string, string> = {};
  let opened: Account | undefined;
  const account = (): Account => {
    opened ??= Account.open();
    return opened;
  };

  const kindOf = (subject: Subject): Kind => {
    const kind = byToken.get(subject.type);
    if (kind !== undefined) return kind;
    throw new Error(
      `the simulated ${name} has no ${subject.type}: it has ${[...byToken.keys()].join(", ")}; use the official plugin for the rest`,
    );
  };
  const typesOf = (token: string): ResourceTypes => {
    const found = types.get(token) ?? resourceTypes(token);
    types.set(token, found);
    return found;
  };
  const around = (subject: Subject): Surroundings => ({
    account: account(),
    clock: clock(account().settings.minuteMs),
    subject,
    settings,
  });

  /** One call of the cloud's API: journalled, struck by what is armed for it, and made again when it was throttled. */
  const call = async <Answer>(subject: Subject, verb: Fault["call"], run: () => Promise<Answer>): Promise<Answer> => {
    const { type, name: resource } = subject;
    account().note(verb, type, resource, "started");
    for (let attempt = 1; ; attempt += 1) {
      try {
        strike(account(), verb, type, resource);
        const answer = await run();
        account().note(verb, type, resource, "done");
        return answer;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        account().note(verb, type, resource, reason);
        if (!(error instanceof Throttled) || attempt === attempts) throw error;
        subject.log("info", `simulated ${name}: ${reason}; asking again`, { ephemeral: true });
        await clock(account().settings.minuteMs).pass(0.1 * 2 ** attempt, subject.signal);
      }
    }
  };

  const stored = (subject: Subject, id: string): Stored => {
    const found = account().get(subject.type, id);
    if (found !== undefined) return found;
    throw new Error(
      `simulated ${name}: ${subject.type} ${id} does not exist in the account (deleted outside of Pulumi?)`,
    );
  };
  /** The inputs, and what the cloud has set: also within a property of the program's own. */
  const complete = (kind: Kind, inputs: Dict, outputs: Dict): Dict => {
    const { __defaults: _, ...rest } = inputs;
    const whole: Dict = { ...outputs, ...rest };
    for (const [property, members] of Object.entries(kind.merged ?? {})) {
      const late = record(outputs[property]);
      const added = members.flatMap((member) => (late[member] === undefined ? [] : [[member, late[member]]]));
      whole[property] = { ...Object.fromEntries(added), ...record(rest[property]) };
    }
    return whole;
  };
  const unknownsOf = (kind: Kind): Dict => {
    const all = (names: readonly string[]): Dict => Object.fromEntries(names.map((name) => [name, unknown]));
    const merged = Object.entries(kind.merged ?? {}).map(([property, members]) => [property, all(members)]);
    return { ...all(kind.computed), ...Object.fromEntries(merged) };
  };

  return {
    name,
    version: `${sdkVersion(name)}+simulated`,

    checkConfiguration(news) {
      const failures: CheckFailure[] = [];
      const names = providerTypes(name);
      for (const property of Object.keys(news)) {
        if (names.includes(property) || property.startsWith("__") || property === "version") continue;
        if (property !== "pluginDownloadURL") {
          failures.push({ property, reason: `is not a setting of the ${name} provider: remove it` });
        }
      }
      return { inputs: news, failures };
    },
    diffConfiguration(olds, news) {
      const changes = new Map([...difference(olds, news)].filter(([path]) => !/^(?:__|version$)/.test(path)));
      return { changes, replaces: [...changes.keys()].filter((path) => ["region", "project"].includes(path)) };
    },
    async configure(configuration) {
      account();
      for (const [key, value] of Object.entries(revealDict(configuration))) {
        if (typeof value === "string") settings[key] = value;
      }
    },

    async check(subject, olds, news, seed): Promise<Checked> {
      const kind = kindOf(subject);
      const failures: CheckFailure[] = [];
      const inputs = checkFields({ ...kind.defaults, ...news }, typesOf(kind.token).inputs, "", failures);
      const { autoName } = kind;
      if (autoName !== undefined && inputs[autoName] === undefined && inputs[`${autoName}Prefix`] === undefined) {
        const random = seed.length > 0 ? Buffer.from(seed) : randomBytes(4);
        inputs[autoName] = olds[autoName] ?? `${subject.name}-${random.toString("hex").slice(0, 7)}`;
        inputs["__defaults"] = [autoName];
      }
      if (failures.length === 0) failures.push(...(kind.check?.(revealDict(inputs)) ?? []));
      return { inputs, failures };
    },

    async diff(subject, _id, oldInputs, oldOutputs, news): Promise<Differs> {
      const kind = kindOf(subject);
      const changes = difference(oldInputs, news);
      changes.delete("__defaults");
      for (const path of [...changes.keys()]) if (path.startsWith("__defaults")) changes.delete(path);
      const below = (path: string, fixed: string): boolean =>
        path === fixed || (/^[.[]/.test(path.slice(fixed.length)) && path.startsWith(fixed));
      const replaces = [...changes.keys()].filter((path) => kind.immutable.some((fixed) => below(path, fixed)));
      const broken = kind.broken?.(revealDict(oldOutputs));
      if (broken !== undefined) {
        changes.set(broken, "update");
        replaces.push(broken);
      }
      const unnamed = news["__defaults"] !== undefined;
      return { changes, replaces, deleteBeforeReplace: !unnamed && (kind.unique ?? kind.autoName) !== undefined };
    },

    async create(subject, inputs, preview) {
      const kind = kindOf(subject);
      if (preview) {
        return { id: "", outputs: complete(kind, inputs, unknownsOf(kind)) };
      }
      const plain = withoutMarks(revealDict(inputs));
      return await call(subject, "create", async () => {
        requireReferences(account(), byToken, kind, plain);
        requireUnique(account(), kind, plain);
        const keep = (id: string, outputs: Dict): void =>
          account().put({
            type: kind.token,
            id,
            name: subject.name,
            inputs: plain,
            outputs: complete(kind, plain, outputs),
          });
        try {
          const { id, outputs } = await kind.create(plain, around(subject));
          keep(id, outputs);
          return { id, outputs: complete(kind, inputs, outputs) };
        } catch (error) {
          if (!(error instanceof CreatedInFailure)) throw error;
          const { id, outputs } = error.made;
          keep(id, outputs);
          throw new InitializationFailed({ id, inputs, outputs: complete(kind, inputs, outputs) }, [error.message]);
        }
      });
    },

    async read(subject, id, inputs, outputs) {
      const found = await call(subject, "read", async () => account().get(kindOf(subject).token, id));
      if (found === undefined) return undefined;
      const known = Object.keys(inputs).length > 0 ? { ...inputs, ...changed(inputs, found.inputs) } : found.inputs;
      return { id, inputs: known, outputs: { ...outputs, ...changed(outputs, found.outputs) } };
    },

    async update(subject, id, _oldInputs, oldOutputs, news, preview) {
      const kind = kindOf(subject);
      if (preview) return complete(kind, news, oldOutputs);
      const plain = withoutMarks(revealDict(news));
      return await call(subject, "update", async () => {
        requireReferences(account(), byToken, kind, plain);
        const before = stored(subject, id);
        const outputs = { ...before.outputs, ...(await kind.update?.(before, plain, around(subject))) };
        const names = [...kind.computed, ...Object.keys(kind.merged ?? {})];
        const set = Object.fromEntries(
          names.flatMap((output) => (outputs[output] === undefined ? [] : [[output, outputs[output]]])),
        ) as Dict;
        account().put({ ...before, inputs: plain, outputs: complete(kind, plain, set) });
        return complete(kind, news, set);
      });
    },

    async delete(subject, id) {
      const kind = kindOf(subject);
      await call(subject, "delete", async () => {
        const found = account().get(kind.token, id);
        // Gone already: as with the official plugins, that is what was asked for.
        if (found === undefined) return;
        await awaitRelease(around(subject), byToken, kind, found);
        await kind.remove?.(found, around(subject));
        account().remove(kind.token, id);
      });
    },

    async invoke(token, args) {
      const answer = functions[token];
      if (answer === undefined) {
        throw new Error(`the simulated ${name} has no function ${token}: it has ${Object.keys(functions).join(", ")}`);
      }
      const { minuteMs } = account().settings;
      return answer(revealDict(args), { account: account(), clock: clock(minuteMs), settings });
    },
  };
};

const withoutMarks = ({ __defaults: _, ...inputs }: Dict): Dict => inputs;

/** What the account holds otherwise than the state says; equal values keep their marks as secrets. */
const changed = (state: Dict, account: Dict): Dict =>
  Object.fromEntries(
    Object.entries(account).filter(
      ([key, value]) => JSON.stringify(reveal(state[key] ?? null)) !== JSON.stringify(value),
    ),
  );

const requireUnique = (account: Account, kind: Kind, inputs: Dict): void => {
  const property = kind.unique;
  if (property === undefined) return;
  const value = text(inputs[property]);
  if (account.list(kind.token).some((other) => isDict(other.inputs) && other.inputs[property] === value)) {
    throw new Error(`ResourceInUseException: ${kind.token.split(":").at(-1)} already exists with ${property} ${value}`);
  }
};
