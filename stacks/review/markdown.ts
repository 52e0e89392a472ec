// SPDX-License-Identifier: Apache-2.0
// Writes a review in Markdown, for a pull request.

import type { Effect } from "../../components/internal/value-effects.ts";
import type { MemoryChange } from "./map-memory.ts";
import { stepsInOrder, type Wave } from "./order.ts";
import { picture } from "./picture.ts";
import type { Operation } from "./preview.ts";
import type { Review } from "./review.ts";
import { code, plainText, shownValue } from "./secrets.ts";
import type { DatapathChange } from "./values.ts";

const effectNames: Readonly<Record<Effect, string>> = {
  none: "none",
  "new-flows": "new flows",
  "flows-reset": "**existing flows reset**",
  "node-restart": "**node restart**",
};

const marks: Readonly<Record<Operation, string>> = {
  create: "➕ new",
  update: "✏️ changed",
  replace: "♻️ replaced",
  delete: "➖ removed",
  same: "unchanged",
};

/** The comment of a stack's review is found again by this line. */
const markerOf = (project: string, stack: string): string => `<!-- sansproxy-review:${project}/${stack} -->`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  `| ${head.join(" | ")} |`,
  `|${head.map(() => " --- ").join("|")}|`,
  ...rows.map((row) => `| ${row.join(" | ")} |`),
];

const verdicts: Readonly<Record<Effect, string>> = {
  none: "no connection is touched",
  "new-flows": "only connections that begin later are treated differently",
  "flows-reset": "established connections are cut or lose their translation",
  "node-restart": "nodes have to restart, or come and go: drain them",
};

function summary({ effect, moving, policy, preview }: Review): string[] {
  const counts = (["create", "update", "replace", "delete"] as const)
    .map((operation) => ({
      operation,
      count: preview.changes.filter((change) => change.operation === operation && change.type !== "pulumi:pulumi:Stack")
        .length,
    }))
    .filter(({ count }) => count > 0)
    .map(({ operation, count }) => `${count} ${marks[operation].split(" ")[1]}`);
  const violations = policy.violations.length;
  return [
    `**Traffic: ${effectNames[effect].replaceAll("*", "")}** — ${verdicts[effect]}. ` +
      `${moving === 0 ? "Nothing changes" : `Resources: ${counts.join(", ")}`}. ` +
      `Policy: ${violations === 0 ? "no violation" : `**${violations} violation${violations === 1 ? "" : "s"}**`}.`,
  ];
}

function membersPart({ members }: Review): string[] {
  const moving = members.filter(({ operation }) => operation !== "same");
  const staying = members.length - moving.length;
  const head = ["### Clusters and nodes", ""];
  if (moving.length === 0) return [...head, `None changes${staying > 0 ? ` (${staying} stay)` : ""}.`];
  return [
    ...head,
    ...table(
      ["cluster", "part", "change", "what happens", "traffic"],
      moving.map(({ cluster, kind, name, operation, effect, what }) => [
        plainText(cluster),
        `${kind} ${code(name)}`,
        marks[operation],
        plainText(what),
        effectNames[effect],
      ]),
    ),
    ...(staying > 0 ? ["", `${staying} stay as they are.`] : []),
  ];
}

const mib = (value: number | undefined): string => (value === undefined ? "—" : `${value} MiB`);
const mapSize = (map: { entries: number; bytes: number } | undefined): string =>
  map === undefined ? "—" : `${map.entries} entries, ${(map.bytes / 2 ** 20).toFixed(1)} MiB`;

function memoryPart(memory: MemoryChange | undefined): string[] {
  if (memory === undefined)
    return ["Map memory: the agent's maps grow with the Services that there are; no value sets it."];
  const basis = memory.byLoad ? "on a node, for the expected load" : "with full Service maps on a node of 8192 MiB";
  const sizes =
    memory.before === undefined
      ? `**${mib(memory.after)}**`
      : `${mib(memory.before)} before, **${mib(memory.after)}** after`;
  const lines = [`Map memory ${basis}: ${sizes}.`];
  if (memory.maps.length === 0 || memory.before === undefined) return lines;
  return [
    ...lines,
    "",
    "Sizes with full maps, on a node of 8192 MiB:",
    "",
    ...table(
      ["map", "before", "after"],
      memory.maps.map(({ map, before, after }) => [map, mapSize(before), mapSize(after)]),
    ),
  ];
}

function datapathPart({
  change,
  memory,
}: {
  readonly change: DatapathChange;
  readonly memory: MemoryChange | undefined;
}): string[] {
  const { engine, values } = change;
  const { name, operation } = change.change;
  const rows = values.map(({ path, before, after, effect, why }) => [
    code(path),
    shownValue(path, before),
    shownValue(path, after),
    effectNames[effect],
    plainText(why),
  ]);
  const body =
    rows.length === 0
      ? ["No value changes."]
      : operation === "create"
        ? [
            "<details><summary>All values of the first installation</summary>",
            "",
            ...table(
              ["value", "is"],
              rows.map(([path = "", , after = ""]) => [path, after]),
            ),
            "",
            "</details>",
          ]
        : table(["value", "before", "after", "traffic", "why"], rows);
  return [
    `### Datapath ${code(name)} (${engine}): ${marks[operation]}`,
    "",
    ...(change.hidden ? ["The preview hides its values, because one of them is secret: assume the worst.", ""] : []),
    ...body,
    "",
    ...memoryPart(memory),
    "",
  ];
}

function policyPart({ policy }: Review): string[] {
  const { rules, violations, partlyHidden } = policy;
  return [
    "### Policy",
    "",
    ...(violations.length === 0
      ? [`${rules} rules, no violation.`]
      : table(
          ["rule", "violation", "remedy"],
          violations.map(({ rule, resource, reason, remedy }) => [
            code(rule),
            `${code(resource)} ${plainText(reason)}`,
            plainText(remedy),
          ]),
        )),
    ...(partlyHidden > 0
      ? [
          "",
          `A preview hides secret inputs, here of ${partlyHidden} resources: only the policy pack in the update sees those.`,
        ]
      : []),
  ];
}

const shortest = 8;

function waveText(wave: Wave): string {
  const shown = wave.slice(0, shortest).map(({ name, operation }) => `${code(name)} ${marks[operation]}`);
  return `${shown.join(", ")}${wave.length > shortest ? `, and ${wave.length - shortest} more` : ""}`;
}

function orderPart({ preview }: Review): string[] {
  const { forward, deletions } = stepsInOrder(preview);
  const waves = [...forward, ...deletions];
  if (waves.length === 0) return [];
  return [
    "### Order of steps",
    "",
    "What stands on one line can run at the same time; each line waits for the one above as far as it depends on it.",
    "",
    ...waves.map((wave, index) => `${index + 1}. ${waveText(wave)}`),
    "",
  ];
}

function picturePart({ preview }: Review): string[] {
  const drawn = picture(preview);
  return drawn === undefined ? [] : ["### Picture", "", "```mermaid", drawn, "```", ""];
}

/** The whole review. */
export function markdownOf(review: Review): string {
  const { preview, datapaths } = review;
  return [
    markerOf(preview.project, preview.stack),
    `## sansproxy review of ${code(`${preview.project}/${preview.stack}`)}`,
    "",
    ...summary(review),
    "",
    ...(preview.complete
      ? []
      : ["> This preview leaves out what does not change; with `--show-sames` the review says more.", ""]),
    ...membersPart(review),
    "",
    ...datapaths.flatMap(datapathPart),
    ...policyPart(review),
    "",
    ...orderPart(review),
    `### Rollback (traffic: ${effectNames[review.rollback.effect].replaceAll("*", "")})`,
    "",
    ...review.rollback.sentences.map((sentence) => `- ${sentence}`),
    "",
    ...picturePart(review),
  ].join("\n");
}
