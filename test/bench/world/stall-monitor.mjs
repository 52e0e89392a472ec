// SPDX-License-Identifier: Apache-2.0
// Loaded into the agent before its own code, and JavaScript so that no TypeScript is loaded with it: writes the longest stall of
// its event loop, from when all its modules are loaded, to a file when told by SIGUSR2.
import { realpathSync, renameSync, writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { pathToFileURL } from "node:url";

const RESOLUTION_MS = 1;
const LOADED = "bench: loaded";
const file = process.env["BENCH_STALLS"];
if (file === undefined) throw new Error("BENCH_STALLS must name the file for the stalls");

const main = pathToFileURL(realpathSync(process.argv[1] ?? "")).href;
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    // What stands before a module's imports runs after them.
    return url === main ? { ...loaded, source: `process.emit(${JSON.stringify(LOADED)});${loaded.source}` } : loaded;
  },
});

process.once(LOADED, () => {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // The time before its first look, from which on it measures.
  const at = performance.now();
  let firstMs = 0;
  setTimeout(() => {
    firstMs = performance.now() - at;
  }, RESOLUTION_MS);
  process.on("SIGUSR2", () => {
    // A timer that is on time counts as one resolution.
    const longestMs = Math.max(0, Math.max(firstMs, delay.max / 1e6) - RESOLUTION_MS);
    writeFileSync(`${file}.new`, JSON.stringify({ longestMs }));
    renameSync(`${file}.new`, file);
    firstMs = 0;
    delay.reset();
  });
});
