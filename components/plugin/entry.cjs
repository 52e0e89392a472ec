// SPDX-License-Identifier: Apache-2.0
// Starts the plugin: of the installed package, or from its source in a checkout.
const { existsSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { pathToFileURL } = require("node:url");

/** Node runs no TypeScript below node_modules. */
function provider() {
  try {
    const installed = dirname(require.resolve("sansproxy/package.json"));
    const compiled = join(installed, "dist", "components", "plugin", "provider.js");
    if (installed.split(/[\\/]/).includes("node_modules") && existsSync(compiled)) return compiled;
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
  }
  return join(__dirname, "provider.ts");
}

module.exports = async () => {
  const { servePlugin } = await import(pathToFileURL(provider()).href);
  await servePlugin(process.argv.slice(2));
};
