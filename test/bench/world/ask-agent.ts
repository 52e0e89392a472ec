// SPDX-License-Identifier: Apache-2.0
// Asks the agent of the node in whose namespace it runs: a path on each line of stdin, and the answer's text as one line of JSON.
import { createInterface } from "node:readline";

const [address = ""] = process.argv.slice(2);

for await (const path of createInterface({ input: process.stdin })) {
  const answer = await fetch(`http://${address}${path}`);
  console.log(JSON.stringify(await answer.text()));
}
