// SPDX-License-Identifier: Apache-2.0
// `npm run fuzz -- --packets N --seed S`: damaged packets against the model of verdicts; ends with 1 at any difference.
import { Command, InvalidArgumentError } from "commander";
import { fuzz } from "./fuzzer.ts";

const wholeNumber = (text: string): number => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 0xffffffff)
    throw new InvalidArgumentError("Give a whole number from 0 to 4294967295.");
  return value;
};

const { packets, seed } = new Command("npm run fuzz")
  .usage("-- [options]")
  .description("Holds damaged packets, sent through the BPF programs, against a model of their verdicts.")
  .option("--packets <n>", "how many packets", wholeNumber, 10_000_000)
  .option("--seed <s>", "where the random numbers begin; the same seed gives the same packets", wholeNumber)
  .addHelpText(
    "after",
    "\nNeeds root: it makes network namespaces and loads BPF programs. Exit status: 0, or 1 at any difference.",
  )
  .allowExcessArguments(false)
  .parse()
  .opts<{ packets: number; seed?: number }>();
const begin = seed ?? Date.now() % 0xffffffff;
console.log(`${packets} packets from seed ${begin}`);
const began = Date.now();
const STEP = 500_000;
const outcome = fuzz(packets, begin, (done) => {
  if (done % STEP === 0) console.log(`${done} packets, ${Math.round(done / ((Date.now() - began) / 1000))} a second`);
});
for (const [what, count] of [...outcome.counts].sort()) console.log(`${String(count).padStart(10)}  ${what}`);
for (const difference of outcome.differences) console.error(JSON.stringify(difference, undefined, 1));
console.log(`${outcome.packets} packets, ${outcome.differences.length} differences, seed ${begin}`);
process.exitCode = outcome.differences.length === 0 ? 0 : 1;
