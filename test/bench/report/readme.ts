// SPDX-License-Identifier: Apache-2.0
// The part of the README about speed: three pictures, each target with what was measured, and what was lost, from one run.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Results } from "../results.ts";
import { conditions, type Plot } from "./plots.ts";
import { pngOf } from "./png.ts";
import { judge, type Verdict } from "./targets.ts";

const PICTURES = "test/bench/report/pictures";
const [BEGIN, END] = ["<!-- bench: begin -->", "<!-- bench: end -->"];
const SHOWN: Readonly<Record<string, string>> = {
  latency: "connect() to the last Service against the number of Services, for us, kube-proxy and no load balancer",
  updates: "one endpoint change and a cold start against the number of Services",
  throughput: "packets a second through a node by XDP, tc, iptables and nftables",
};

const MARKS = { met: "✓", missed: "✗", "not measured": "–" };
/** Of what was met so many are enough. */
const MOST_MET = 3;

/** All losses and what is missing, and the first of what was met. */
function figures({ findings }: Pick<Verdict, "findings">): string {
  const saying = (met: boolean | undefined) =>
    findings.filter((finding) => finding.met === met).map(({ says }) => says);
  const lost = saying(false).map((says) => `**missed:** ${says}`);
  const missing = saying(undefined).map((says) => `**not measured:** ${says}`);
  const kept = saying(true);
  const more = kept.length - MOST_MET;
  return [...lost, ...missing, ...kept.slice(0, MOST_MET), ...(more > 0 ? [`and ${more} more met`] : [])]
    .join("<br>")
    .replaceAll("|", "\\|");
}

/** The text between the marks. */
function readmePart(results: Results): string {
  const pictures = Object.entries(SHOWN).map(([name, what]) => `![${what}](${PICTURES}/${name}.png)`);
  const rows = judge(results).map(
    ({ id, target, status, findings }) => `| ${MARKS[status]} ${id} | ${target} | ${figures({ findings })} |`,
  );
  const facts = `${conditions(results)}, commit ${results.environment.commit}`;
  return `${BEGIN}

${pictures.join("\n\n")}

Every target with what was measured, on ${facts}. Losses are marked, in the pictures too.

| | target | measured |
| --- | --- | --- |
${rows.join("\n")}

${END}`;
}

/** The README with its part replaced; throws where the marks are not. */
export function withPart(readme: string, part: string): string {
  const [from, to] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`README.md has no part between ${BEGIN} and ${END}: put them back`);
  return readme.slice(0, from) + part + readme.slice(to + END.length);
}

/** Writes the pictures and the part of the README; returns the files. Throws when the run lacks one of the pictures. */
export function writeReadme(root: string, results: Results, plots: readonly Plot[]): string[] {
  const shown = Object.keys(SHOWN).map((name) => {
    const plot = plots.find((one) => one.name === name);
    if (plot === undefined) throw new Error(`the run has nothing for the picture ${name}: run all suites for --readme`);
    return plot;
  });
  mkdirSync(join(root, PICTURES), { recursive: true });
  const pictures = shown.map(({ name, svg }) => [join(PICTURES, `${name}.png`), pngOf(svg)] as const);
  const data = [join(PICTURES, "results.json"), `${JSON.stringify(results)}\n`] as const;
  const readme = ["README.md", withPart(readFileSync(join(root, "README.md"), "utf8"), readmePart(results))] as const;
  const files = [...pictures, data, readme];
  for (const [path, contents] of files) writeFileSync(join(root, path), contents);
  return files.map(([path]) => path);
}
