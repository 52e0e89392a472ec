// SPDX-License-Identifier: Apache-2.0
// The npm package as its users get it: packed once, and put below a project's node_modules as `npm install` would.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "../..");

export interface PackedPackage {
  /** Gives the folder of the installed package; its dependencies are linked by their names, but for those left out. */
  installIn(project: string, without?: readonly string[]): string;
}

/** Packing compiles the whole package, the cloud SDKs' types included: a minute or two. `folder` has to be empty. */
export function packPackage(folder: string): PackedPackage {
  execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: repository, stdio: "pipe" });
  const [archive = ""] = readdirSync(folder);
  return {
    installIn(project, without = []) {
      const modules = join(project, "node_modules");
      const installed = join(modules, "sansproxy");
      mkdirSync(installed, { recursive: true });
      execFileSync("tar", ["-xzf", join(folder, archive), "-C", installed, "--strip-components=1"]);
      for (const scopeOrName of readdirSync(join(repository, "node_modules"))) {
        if (scopeOrName.startsWith(".")) continue;
        const packages = scopeOrName.startsWith("@")
          ? readdirSync(join(repository, "node_modules", scopeOrName)).map((name) => `${scopeOrName}/${name}`)
          : [scopeOrName];
        if (scopeOrName.startsWith("@")) mkdirSync(join(modules, scopeOrName), { recursive: true });
        for (const name of packages) {
          if (!without.includes(name)) symlinkSync(join(repository, "node_modules", name), join(modules, name));
        }
      }
      return installed;
    },
  };
}
