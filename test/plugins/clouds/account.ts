// SPDX-License-Identifier: Apache-2.0
// Keeps a simulated cloud account in a folder: one file per resource, a journal of every call, and the account's settings.
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Dict } from "../values.ts";

/** Names the folder of the account that a simulated provider works in. */
export const accountVariable = "SANSPROXY_SIMULATED_CLOUD";

export interface AccountSettings {
  /** How long a simulated minute takes, in real milliseconds. */
  readonly minuteMs: number;
  /** `api-server`: clusters are a real API server with hollow nodes; `machines`: real machines run kubeadm's control plane. */
  readonly clusters: "api-server" | "machines";
  /** The process whose account it is: when it is no more, however it ended, nothing of the account's goes on. */
  readonly owner: number;
  /** For `machines`: the stack they belong to on this box, their network, and the bundle they are installed from. */
  readonly machines?: MachineSettings;
}

export interface MachineSettings {
  readonly stack: string;
  readonly bridge: string;
  readonly subnet: string;
  readonly bundle: string;
  /** The real kube-proxy, for nodes that are born with it. */
  readonly kubeProxy: string;
}

export interface Stored {
  /** The Pulumi type, such as `aws:ec2/vpc:Vpc`. */
  readonly type: string;
  readonly id: string;
  /** What the program called it, or what made it (a Service, a node). */
  readonly name: string;
  readonly inputs: Dict;
  readonly outputs: Dict;
}

export interface JournalEntry {
  readonly at: string;
  readonly call: string;
  readonly type: string;
  readonly name: string;
  /** `started`, `done`, or the error. */
  readonly result: string;
}

const fileOf = (id: string): string => `${encodeURIComponent(id)}.json`;
const folderOf = (type: string): string => type.replaceAll(/[:/]/g, "-");

/** Another process may take the file away at any moment: then there is nothing. */
const read = (file: string): Stored | undefined => {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Stored;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
};

export class Account {
  readonly directory: string;
  readonly settings: AccountSettings;

  constructor(directory: string) {
    this.directory = directory;
    this.settings = JSON.parse(readFileSync(join(directory, "settings.json"), "utf8")) as AccountSettings;
  }

  /** Makes an empty account. */
  static make(directory: string, settings: Omit<AccountSettings, "owner">, owner = process.pid): Account {
    for (const folder of ["resources", "faults", "clusters"]) mkdirSync(join(directory, folder), { recursive: true });
    writeFileSync(
      join(directory, "settings.json"),
      JSON.stringify({ ...settings, owner } satisfies AccountSettings, null, 2),
    );
    return new Account(directory);
  }

  /** The account that the environment names. */
  static open(): Account {
    const directory = process.env[accountVariable];
    if (directory !== undefined && existsSync(join(directory, "settings.json"))) return new Account(directory);
    throw new Error(
      `this is a simulated cloud, and ${accountVariable} names no simulated account (${directory ?? "it is not set"}): ` +
        "it serves this project's tests only; take its folder from PATH to use the official plugin and a real account",
    );
  }

  get(type: string, id: string): Stored | undefined {
    return read(join(this.directory, "resources", folderOf(type), fileOf(id)));
  }

  put(resource: Stored): void {
    const folder = join(this.directory, "resources", folderOf(resource.type));
    mkdirSync(folder, { recursive: true });
    const file = join(folder, fileOf(resource.id));
    // Another process may read it at this moment.
    const fresh = join(this.directory, `.${randomBytes(6).toString("hex")}`);
    writeFileSync(fresh, JSON.stringify(resource, null, 2));
    renameSync(fresh, file);
  }

  remove(type: string, id: string): void {
    rmSync(join(this.directory, "resources", folderOf(type), fileOf(id)), { force: true });
  }

  /** Everything in the account, or all of one type. */
  list(type?: string): Stored[] {
    const root = join(this.directory, "resources");
    return readdirSync(root)
      .filter((folder) => type === undefined || folder === folderOf(type))
      .flatMap((folder) => readdirSync(join(root, folder)).flatMap((file) => read(join(root, folder, file)) ?? []));
  }

  /** Ids of the clusters that have a control plane. */
  clusters(): string[] {
    return readdirSync(join(this.directory, "clusters"));
  }

  note(call: string, type: string, name: string, result: string): void {
    const entry: JournalEntry = { at: new Date().toISOString(), call, type, name, result };
    appendFileSync(join(this.directory, "journal.jsonl"), `${JSON.stringify(entry)}\n`);
  }

  journal(): JournalEntry[] {
    const file = join(this.directory, "journal.jsonl");
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, "utf8").trim().split("\n");
    return lines.filter(Boolean).map((line) => JSON.parse(line) as JournalEntry);
  }
}

/** An id as a cloud would give it. */
export const newId = (prefix: string): string => `${prefix}${randomBytes(9).toString("hex").slice(0, 17)}`;
