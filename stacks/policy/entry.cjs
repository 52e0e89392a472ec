// SPDX-License-Identifier: Apache-2.0
// Starts the policy pack: compiled, as it is installed, or from its source in a checkout.
const { existsSync } = require("node:fs");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");

/** Node runs no TypeScript below node_modules. */
const installed = __dirname.split(/[\\/]/).includes("node_modules");
const source = join(__dirname, "pack.ts");
const compiled = join(__dirname, "..", "..", "dist", "stacks", "policy", "pack.js");

module.exports = async () => {
  const { startPolicyPack } = await import(pathToFileURL(installed || !existsSync(source) ? compiled : source).href);
  startPolicyPack();
};
