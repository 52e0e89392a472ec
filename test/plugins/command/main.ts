// SPDX-License-Identifier: Apache-2.0
// Stands in for the official command plugin 1.2.1: the life cycle of local and remote commands and of copies.
import { randomBytes } from "node:crypto";
import { difference, propertyOf } from "../difference.ts";
import type { Created, Differs, Provider, Subject } from "../provider.ts";
import { serve } from "../serve.ts";
import { Asset, containsUnknown, type Dict, reveal, revealDict, Unknown, unknown } from "../values.ts";
import { copyToRemote } from "./copy.ts";
import { checkInputs, inputNames, tokens } from "./inputs.ts";
import { type LocalInputs, runLocally } from "./local-command.ts";
import type { Said } from "./output.ts";
import { type RemoteInputs, runRemotely } from "./remote-command.ts";
import type { Connection } from "./ssh.ts";

const pick = (from: Dict, names: readonly string[]): Dict =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = from[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

const newId = (prefix: string): string => `${prefix}${randomBytes(4).toString("hex")}`;

/** Runs `command` with a resource's inputs and the output of the command before. */
const run = (subject: Subject, command: string, inputs: Dict, previous: Dict): Promise<Dict> => {
  const plain: unknown = revealDict(inputs);
  const said: Partial<Said> = pick(revealDict(previous), ["stdout", "stderr"]) as Partial<Said>;
  if (subject.type === tokens.remote) {
    return runRemotely(command, plain as RemoteInputs, said, subject.log, subject.signal);
  }
  const show = (line: string): void => subject.log("info", line, { ephemeral: true });
  return runLocally(command, plain as LocalInputs, said, show, subject.signal);
};

const copy = (subject: Subject, inputs: Dict): Promise<void> => {
  const { connection, source, remotePath } = revealDict(inputs);
  if (!(source instanceof Asset)) throw new Error("source is neither an asset nor an archive");
  const show = (line: string): void => subject.log("info", line, { ephemeral: true });
  return copyToRemote(connection as unknown as Connection, source, String(remotePath), show, subject.signal);
};

const outputNames = (type: string, inputs: Dict): string[] => {
  if (type === tokens.copy) return [];
  const extra = [inputs["assetPaths"] ? "assets" : "", inputs["archivePaths"] ? "archive" : ""];
  return ["stdout", "stderr", ...extra.filter(Boolean)];
};

const unknowns = (names: readonly string[]): Dict => Object.fromEntries(names.map((name) => [name, unknown]));

/** What a command that never ran has said. */
const silent = (type: string): Dict => (type === tokens.copy ? {} : { stdout: "", stderr: "" });

const provider: Provider = {
  name: "command",
  version: "1.2.1+stand-in",

  async check(subject, _olds, news) {
    return checkInputs(subject.type, news);
  },

  async diff(subject, _id, _oldInputs, oldOutputs, news): Promise<Differs> {
    const changes = difference(pick(oldOutputs, inputNames(subject.type)), news);
    return { changes, replaces: [...changes.keys()].filter((path) => propertyOf(path) === "triggers") };
  },

  async create(subject, inputs, preview): Promise<Created> {
    if (preview) return { id: "", outputs: { ...inputs, ...unknowns(outputNames(subject.type, inputs)) } };
    if (subject.type === tokens.copy) {
      await copy(subject, inputs);
      return { id: newId(""), outputs: inputs };
    }
    const command = text(reveal(inputs["create"] ?? null));
    const said = command === undefined ? silent(subject.type) : await run(subject, command, inputs, {});
    return { id: newId(subject.name), outputs: { ...inputs, ...said } };
  },

  async read(_subject, id, inputs, outputs) {
    return { id, inputs, outputs };
  },

  async update(subject, _id, _oldInputs, oldOutputs, news, preview) {
    const names = outputNames(subject.type, news);
    const changed = difference(pick(oldOutputs, inputNames(subject.type)), news).size > 0;
    const kept = pick(oldOutputs, names);
    if (preview) return { ...news, ...(changed || containsUnknown(news) ? unknowns(names) : kept) };
    if (subject.type === tokens.copy) {
      const paths = [...difference(pick(oldOutputs, ["source", "remotePath"]), pick(news, ["source", "remotePath"]))];
      if (paths.length > 0) await copy(subject, news);
      return news;
    }
    const command = text(reveal(news["update"] ?? news["create"] ?? null));
    if (command === undefined) return { ...news, ...kept };
    return { ...news, ...(await run(subject, command, news, oldOutputs)) };
  },

  async delete(subject, _id, _inputs, outputs) {
    const command = subject.type === tokens.copy ? undefined : text(reveal(outputs["delete"] ?? null));
    if (command !== undefined) await run(subject, command, pick(outputs, inputNames(subject.type)), outputs);
  },

  async invoke(token, args, signal) {
    const { inputs, failures } = checkInputs(token, args);
    if (failures[0] !== undefined) throw new Error(`${token}: ${failures[0].property} ${failures[0].reason}`);
    const command = reveal(inputs["command"] ?? null);
    if (command instanceof Unknown || typeof command !== "string") throw new Error(`${token}: command is not known`);
    const show = (): void => {};
    return { ...inputs, ...(await runLocally(command, revealDict(inputs) as LocalInputs, {}, show, signal)) };
  },
};

await serve(provider);
