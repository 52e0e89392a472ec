// SPDX-License-Identifier: Apache-2.0
// Compiles the agent to JavaScript, file by file: Node's own way of running TypeScript costs a process 30 MB for as long as it lives.

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { repository } from "../host/paths.ts";

const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2024,
  module: ts.ModuleKind.ESNext,
  rewriteRelativeImportExtensions: true,
  verbatimModuleSyntax: true,
  removeComments: true,
};

/** Types are not looked at: `npm run types` does that. Returns the folder, which has a `main.js` and a `cli.js`. */
export async function compileAgent(out = join(repository, ".build/dist/agent")): Promise<string> {
  const sources = join(repository, "agent");
  await rm(out, { recursive: true, force: true });
  for (const file of (await readdir(sources, { recursive: true })).filter((name) => name.endsWith(".ts"))) {
    const source = await readFile(join(sources, file), "utf8");
    const { outputText } = ts.transpileModule(source, { fileName: file, compilerOptions });
    const target = join(out, file.replace(/\.ts$/, ".js"));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, outputText);
  }
  return out;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(`compiled into ${await compileAgent(process.argv[2])}`);
