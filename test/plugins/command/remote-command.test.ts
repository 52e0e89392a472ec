// SPDX-License-Identifier: Apache-2.0
// Holds the remote command stand-in to the official plugin's behaviour, over a real SSH server.

import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBundlingProxy } from "../fixtures/bundling-proxy.ts";
import type { Plugin } from "../fixtures/plugin.ts";
import { type ProviderClient, Resource, startProvider } from "../fixtures/resources.ts";
import { type Sshd, startSshd } from "../fixtures/sshd.ts";
import { type Dict, reveal, Secret, Unknown, unknown } from "../values.ts";

let sshd: Sshd;
let plugin: Plugin<ProviderClient>;

beforeAll(async () => {
  sshd = await startSshd();
  plugin = await startProvider("command", { SSH_AUTH_SOCK: "" });
});
afterAll(async () => {
  await plugin[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
});

const endpoint = (): Dict => ({
  host: "127.0.0.1",
  port: sshd.port,
  user: "root",
  privateKey: sshd.privateKey,
  hostKey: sshd.hostKey,
  dialErrorLimit: 0,
});
const connection = (changes: Dict = {}): Secret => new Secret({ ...endpoint(), ...changes });
const command = (): Resource => new Resource(plugin, "command:remote:Command");

/** The text of the error a promise ends in. */
const refusal = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.then(
    () => new Error("it succeeded"),
    (reason: unknown) => reason,
  );
  return error instanceof Error ? error.message : String(error);
};

describe("running a command", () => {
  test("keeps stdout and stderr apart and drops one newline at the end of each", async () => {
    const { outputs } = await command().create({
      connection: connection(),
      create: "printf 'one\\n\\n'; echo two >&2",
    });
    expect(outputs["stdout"]).toBe("one\n");
    expect(outputs["stderr"]).toBe("two");
  });

  test("knows how a command ended whose output and end arrive in one piece", async () => {
    await using proxy = await startBundlingProxy(sshd.port, 200);
    const { outputs } = await command().create({ connection: connection({ port: proxy.port }), create: "echo quick" });
    expect(outputs["stdout"]).toBe("quick");
  });

  test("gives the command its stdin and ends it", async () => {
    const stdin = "x".repeat(3_000_000);
    const { outputs } = await command().create({ connection: connection(), create: "wc -c", stdin });
    expect(outputs["stdout"]).toBe("3000000");
  });

  test("fails with the exit status, the command and its output, and without its stdin", async () => {
    const create = "cat >/dev/null; echo seen; echo wrong >&2; exit 3";
    const text = await refusal(command().create({ connection: connection(), create, stdin: "a-token" }));
    expect(text).toContain("Process exited with status 3: running");
    expect(text).toContain("seen");
    expect(text).toContain("wrong");
    expect(text).not.toContain("a-token");
  });

  test("shows its output while it runs, as logging says", async () => {
    const urns = { both: new Resource(plugin, "command:remote:Command", "both") };
    await urns.both.create({ connection: connection(), create: "echo out-1; echo err-1 >&2" });
    const shown = plugin.messages.filter(({ urn }) => urn === urns.both.urn);
    expect(shown.map(({ text }) => text).sort()).toEqual(["err-1", "out-1"]);
    const quiet = new Resource(plugin, "command:remote:Command", "quiet");
    await quiet.create({ connection: connection(), create: "echo hidden", logging: "none" });
    expect(plugin.messages.filter(({ urn }) => urn === quiet.urn)).toEqual([]);
  });

  test("sets variables the server accepts, and fails on one it does not", async () => {
    const accepted = { SANSPROXY_COLOUR: "blue and green" };
    const create = 'echo "$SANSPROXY_COLOUR"';
    const { outputs } = await command().create({ connection: connection(), create, environment: accepted });
    expect(outputs["stdout"]).toBe("blue and green");
    const text = await refusal(command().create({ connection: connection(), create, environment: { OTHER: "1" } }));
    expect(text).toContain('could not set environment variable "OTHER"');
  });

  test("is ended when the engine cancels the update", async () => {
    await using own = await startProvider("command", { SSH_AUTH_SOCK: "" });
    const resource = new Resource(own, "command:remote:Command", "long");
    const creating = refusal(resource.create({ connection: connection(), create: "echo started; exec sleep 300" }));
    await expect.poll(() => own.messages.map(({ text }) => text)).toContain("started");
    await own.call(own.client.cancel, new emptyProto.Empty());
    expect(await creating).toContain("cancelled: running");
  });
});

describe("the life of a resource", () => {
  test("an update runs `update`, or `create` when there is none, and replaces the outputs", async () => {
    const first = await command().create({ connection: connection(), create: "echo created" });
    const again = await command().update(first, { connection: connection(), create: "echo created again" });
    expect(again.outputs["stdout"]).toBe("created again");
    const other = await command().update(again, { connection: connection(), create: "x", update: "true" });
    expect(other.outputs["stdout"]).toBe("");
  });

  test("a changed trigger asks for a replacement, another input for an update, an unchanged one for nothing", async () => {
    const inputs: Dict = { connection: connection(), create: "echo x", triggers: ["a", 1] };
    const state = await command().create(inputs);
    expect(await command().diff(state, inputs)).toEqual({ paths: [], replaces: [] });
    expect(await command().diff(state, { ...inputs, triggers: ["a", 2] })).toEqual({
      paths: ["triggers[1]"],
      replaces: ["triggers[1]"],
    });
    expect(await command().diff(state, { ...inputs, connection: connection({ user: "other" }) })).toEqual({
      paths: ["connection.user"],
      replaces: [],
    });
    expect((await command().diff(state, { ...inputs, triggers: ["a", unknown] })).replaces).toEqual(["triggers[1]"]);
  });

  test("nothing runs at preview, and the outputs are unknown", async () => {
    const { outputs, id } = await command().create({ connection: connection(), create: "exit 1" }, true);
    expect(id).toBe("");
    expect(outputs["stdout"]).toBeInstanceOf(Unknown);
    const state = await command().create({ connection: connection(), create: "echo x" });
    const unchanged = await command().update(state, { connection: connection(), create: "echo x" }, true);
    expect(unchanged.outputs["stdout"]).toBe("x");
    const changed = await command().update(state, { connection: connection(), create: "echo y" }, true);
    expect(changed.outputs["stdout"]).toBeInstanceOf(Unknown);
  });

  test("delete runs with the stored connection", async () => {
    const file = `/tmp/sansproxy-delete-${process.pid}`;
    const state = await command().create({ connection: connection(), create: `touch ${file}`, delete: `rm ${file}` });
    await command().delete(state);
    expect(await refusal(command().delete(state))).toContain("No such file");
  });

  test("secret inputs stay secret in the outputs", async () => {
    const { outputs } = await command().create({ connection: connection(), create: "cat", stdin: new Secret("hush") });
    expect(outputs["connection"]).toBeInstanceOf(Secret);
    expect(outputs["stdin"]).toBeInstanceOf(Secret);
    expect(reveal(outputs["stdin"] ?? null)).toBe("hush");
  });
});

describe("the connection", () => {
  test("a key the host does not know is refused, and the key is not in the error", async () => {
    const resource = command().create({ connection: connection({ privateKey: sshd.strangeKey }), create: "true" });
    const text = await refusal(resource);
    expect(text).toContain(`root@127.0.0.1:${sshd.port}`);
    expect(text).toContain("authentication methods failed");
    expect(text).not.toContain("PRIVATE KEY");
  });

  test("something that is not a key is refused before anything is dialled", async () => {
    const text = await refusal(
      command().create({ connection: connection({ privateKey: "secret-but-no-key", port: 1 }), create: "true" }),
    );
    expect(text).toContain("connection.privateKey for root@127.0.0.1:1 cannot be read");
    expect(text).not.toContain("secret-but-no-key");
  });

  test("a host with another key than the expected one is refused at once", async () => {
    const changed = connection({ hostKey: sshd.otherHostKey, dialErrorLimit: -1 });
    expect(await refusal(command().create({ connection: changed, create: "true" }))).toContain("host key mismatch");
  });

  test("without a host key any host is taken, as the official plugin does", async () => {
    const { hostKey: _, ...rest } = endpoint();
    const { outputs } = await command().create({ connection: new Secret(rest), create: "echo in" });
    expect(outputs["stdout"]).toBe("in");
  });

  test("goes through a bastion, whose host key is checked as well", async () => {
    const good = connection({ proxy: endpoint() });
    const { outputs } = await command().create({ connection: good, create: "echo through" });
    expect(outputs["stdout"]).toBe("through");
    const bad = connection({ proxy: { ...endpoint(), hostKey: sshd.otherHostKey } });
    expect(await refusal(command().create({ connection: bad, create: "true" }))).toContain("host key mismatch");
  });

  test("a host that does not answer is tried as often as the limit says", async () => {
    const resource = new Resource(plugin, "command:remote:Command", "unreachable");
    const text = await refusal(
      resource.create({ connection: connection({ port: 1, dialErrorLimit: 2 }), create: "true" }),
    );
    expect(text).toContain("after 3 attempts");
    const shown = plugin.messages.filter(({ urn }) => urn === resource.urn).map(({ text: line }) => line);
    expect(shown).toEqual(["Dial 1/2 failed: retrying", "Dial 2/2 failed: retrying"]);
  });
});

describe("checking inputs", () => {
  test("an input the official plugin does not have is refused by name", async () => {
    const { failures } = await command().check({ connection: connection({ hostkey: "x" }), create: "true", cwd: "/" });
    expect(failures.map((failure) => failure.split(" ")[0])).toEqual(["connection.hostkey", "cwd"]);
  });

  test("types, required inputs and the values of logging are checked", async () => {
    const { failures } = await command().check({ connection: {}, create: 1, logging: "all", triggers: "x" });
    expect(failures.map((failure) => failure.split(" ")[0]).sort()).toEqual([
      "connection.host",
      "create",
      "logging",
      "triggers",
    ]);
  });

  test("unknown inputs pass, and defaults are filled in", async () => {
    const { inputs, failures } = await command().check({ connection: { host: unknown }, create: unknown });
    expect(failures).toEqual([]);
    expect(inputs["connection"]).toMatchObject({ port: 22, user: "root", dialErrorLimit: 10, perDialTimeout: 15 });
  });
});
