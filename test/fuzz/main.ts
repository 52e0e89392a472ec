// SPDX-License-Identifier: Apache-2.0
// `npm run fuzz -- --packets N --seed S`: damaged packets against the model of verdicts; ends with 1 at any difference.
import { parseArgs } from "node:util";
import { fuzz } from "./fuzzer.ts";

const { values } = parseArgs({
  options: { packets: { type: "string", default: "10000000" }, seed: { type: "string" } },
});

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
    throw new RangeError(`--${name} is ${text}; give a whole number from 0 to 4294967295`);
  return value;
}

const packets = wholeNumber("packets", values.packets);
const seed = wholeNumber("seed", values.seed ?? String(Date.now() % 0xffffffff));
console.log(`${packets} packets from seed ${seed}`);
const began = Date.now();
const STEP = 500_000;
const outcome = fuzz(packets, seed, (done) => {
  if (done % STEP === 0) console.log(`${done} packets, ${Math.round(done / ((Date.now() - began) / 1000))} a second`);
});
for (const [what, count] of [...outcome.counts].sort()) console.log(`${String(count).padStart(10)}  ${what}`);
for (const difference of outcome.differences) console.error(JSON.stringify(difference, undefined, 1));
console.log(`${outcome.packets} packets, ${outcome.differences.length} differences, seed ${seed}`);
process.exitCode = outcome.differences.length === 0 ? 0 : 1;
