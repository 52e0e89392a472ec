// SPDX-License-Identifier: Apache-2.0
// Loaded into the agent before its own code, and JavaScript so that no TypeScript is loaded with it: writes the longest stall of its event loop to a file when told by SIGUSR2.
import { renameSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const RESOLUTION_MS = 1;
const file = process.env["BENCH_STALLS"];
if (file === undefined) throw new Error("BENCH_STALLS must name the file for the stalls");

const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
process.on("SIGUSR2", () => {
  // A timer that is on time counts as one resolution.
  const longestMs = Math.max(0, delay.max / 1e6 - RESOLUTION_MS);
  const { heapUsed } = process.memoryUsage();
  writeFileSync(`${file}.new`, JSON.stringify({ longestMs, heapMb: heapUsed / 1e6 }));
  renameSync(`${file}.new`, file);
  delay.reset();
});
