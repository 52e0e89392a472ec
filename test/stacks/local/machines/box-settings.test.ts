// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rememberBoxSettings, restoreBoxSettings } from "../../../../stacks/local/machines/box-settings.ts";

let folder = "";
let box = { root: "", sysctls: "" };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sansproxy-box-"));
  box = { root: join(folder, "machines"), sysctls: join(folder, "sys") };
});
afterEach(() => rmSync(folder, { recursive: true }));

function set(name: string, value: string): void {
  const file = join(box.sysctls, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, value);
}
const get = (name: string) => readFileSync(join(box.sysctls, name), "utf8").trim();

describe("the settings of the box", () => {
  it("are put back when the last stack goes, as they were before the first", async () => {
    set("kernel/panic", "0\n");
    set("fs/inotify/max_user_instances", "128\n");
    await rememberBoxSettings(box);
    mkdirSync(join(box.root, "one"));
    set("kernel/panic", "10\n");
    set("fs/inotify/max_user_instances", "1024\n");
    await rememberBoxSettings(box);
    mkdirSync(join(box.root, "two"));

    rmdirSync(join(box.root, "one"));
    await restoreBoxSettings(box);
    expect(get("kernel/panic")).toBe("10");

    rmdirSync(join(box.root, "two"));
    await restoreBoxSettings(box);
    expect(get("kernel/panic")).toBe("0");
    expect(get("fs/inotify/max_user_instances")).toBe("128");
    expect(existsSync(box.root)).toBe(false);
  });

  it("are left alone when there is no record of them", async () => {
    set("kernel/panic", "10\n");
    await restoreBoxSettings(box);
    expect(get("kernel/panic")).toBe("10");
  });
});
