// SPDX-License-Identifier: Apache-2.0
// The rule that a stack installs the same images and charts today and tomorrow.

import { at, containersOf, listAt, type Plain, type ResourceRule, type StackResource, unknownYet } from "../rule.ts";

const moving: ReadonlySet<unknown> = new Set(["latest", "main", "master", "stable", "edge", "nightly"]);

function imageProblem(image: unknown): string[] {
  if (typeof image !== "string" || image.includes("@sha256:")) return [];
  const tag = image.split("/").at(-1)?.split(":")[1];
  if (tag === undefined) return [`runs "${image}", which has no tag and means whatever is latest`];
  return moving.has(tag) ? [`runs "${image}", whose tag moves`] : [];
}

function workloadProblems(resource: StackResource): string[] {
  return containersOf(resource).flatMap((container) => imageProblem(at(container, "image")));
}

/** A verification names its probes' image as an argument of its command. */
function probeProblems({ props }: StackResource): string[] {
  const words = listAt(props, "interpreter").filter((word) => typeof word === "string");
  if (!words.some((word) => word.endsWith("agent/sansproxy.mjs"))) return [];
  return words.flatMap((word) => (word.startsWith("--image=") ? imageProblem(word.slice("--image=".length)) : []));
}

/** Every `tag` in a tree of values, with its path. */
function movingTags(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const place = path === "" ? key : `${path}.${key}`;
    return key === "tag" && moving.has(item) ? [`has ${place} "${item}", a tag that moves`] : movingTags(item, place);
  });
}

const exact = /^v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$/;

function releaseProblems(props: Plain): string[] {
  const version = props["version"];
  const chart = String(props["chart"] ?? "");
  const remote = chart.startsWith("oci://") || at(props, "repositoryOpts", "repo") !== undefined;
  const fixed = version === unknownYet || (typeof version === "string" && exact.test(version));
  return [
    ...(remote && !fixed
      ? [
          `installs the chart "${chart}" in ${version === undefined ? "whatever version is newest" : `the version "${String(version)}", which is a range`}`,
        ]
      : []),
    ...movingTags(props["values"], "values"),
  ];
}

/** Images of workloads, verifications, charts and chart values. */
export const pinnedImageRule: ResourceRule = {
  name: "pinned-images",
  description: "Every image has a tag that stays, or a digest, and every chart an exact version.",
  remedy: 'Write an exact version ("1.20.0") or a digest ("...@sha256:...").',
  violations(resource) {
    if (resource.type.startsWith("kubernetes:helm.sh/")) return releaseProblems(resource.props);
    if (resource.type === "command:local:Command") return probeProblems(resource);
    return resource.type.startsWith("kubernetes:") ? workloadProblems(resource) : [];
  },
};
