// SPDX-License-Identifier: Apache-2.0
// `npm run fuzz -- --packets N --sequences M --seed S`: damaged packets against the model of verdicts, and by XDP against tc.
import { Command, InvalidArgumentError } from "commander";
import { fuzz } from "./fuzzer.ts";
import { compareRoads } from "./roads.ts";

const wholeNumber = (text: string): number => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 0xffffffff)
    throw new InvalidArgumentError("Give a whole number from 0 to 4294967295.");
  return value;
};

const { packets, sequences, seed } = new Command("npm run fuzz")
  .usage("-- [options]")
  .description(
    "Holds damaged packets, sent through the BPF programs, against a model of their verdicts, and XDP against tc.",
  )
  .option("--packets <n>", "how many packets through the programs of tc", wholeNumber, 10_000_000)
  .option("--sequences <n>", "how many sequences of up to six packets by XDP and by tc", wholeNumber, 20_000)
  .option("--seed <s>", "where the random numbers begin; the same seed gives the same packets", wholeNumber)
  .addHelpText(
    "after",
    "\nNeeds root: it makes network namespaces and loads BPF programs. Exit status: 0, or 1 at any difference.",
  )
  .allowExcessArguments(false)
  .parse()
  .opts<{ packets: number; sequences: number; seed?: number }>();
const begin = seed ?? Date.now() % 0xffffffff;

/** Says now and then how far it is. */
function progressOf(what: string, every: number): (done: number) => void {
  const began = Date.now();
  return (done) => {
    if (done % every === 0)
      console.log(`${done} ${what}, ${Math.round(done / ((Date.now() - began) / 1000))} a second`);
  };
}

function tell(differences: readonly object[]): void {
  for (const difference of differences) console.error(JSON.stringify(difference, undefined, 1));
}

console.log(`${packets} packets from seed ${begin}`);
const outcome = await fuzz(packets, begin, progressOf("packets", 500_000));
for (const [what, count] of [...outcome.counts].sort()) console.log(`${String(count).padStart(10)}  ${what}`);
tell(outcome.differences);
console.log(`${outcome.packets} packets, ${outcome.differences.length} differences from the model, seed ${begin}`);
console.log(`${sequences} sequences from seed ${begin}`);
const roads = await compareRoads(sequences, begin, progressOf("sequences", 5_000));
tell(roads.differences);
console.log(
  `${roads.packets} packets by both roads (${roads.accelerated} forwarded by XDP), ${roads.differences.length} differences, seed ${begin}`,
);
process.exitCode = outcome.differences.length + roads.differences.length === 0 ? 0 : 1;
