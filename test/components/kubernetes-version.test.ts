// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { versionGiven } from "../../components/internal/bare-metal/step-version.ts";
import { upgradeRule } from "../../components/internal/kubernetes-version.ts";

const problem = (from: string, to: string) => upgradeRule("kubernetesVersion", from, to)[0]?.reason;

describe("a running cluster's version", () => {
  it.each([
    ["v1.36.2", "v1.36.3"],
    ["v1.36.9", "1.36.10"],
    ["v1.35.7", "v1.36.0"],
    ["v1.36.3", "v1.36.3"],
  ])("may go from %s to %s", (from, to) => expect(problem(from, to)).toBeUndefined());

  it.each([
    [
      "v1.36.3",
      "v1.36.2",
      /^is v1\.36\.2 and the cluster runs v1\.36\.3, .* takes no cluster back; set it to v1\.36\.3/,
    ],
    ["v1.36.0", "v1.35.9", /takes no cluster back/],
    ["v1.34.2", "v1.36.3", /a minor version would be skipped; set it to a version of 1\.35 first/],
  ])("may not go from %s to %s, and the remedy is named", (from, to, sentence) =>
    expect(problem(from, to)).toMatch(sentence),
  );
});

describe("the version that a step was given", () => {
  it("is the one before its script, whatever the script says", () => {
    expect(versionGiven("HOST_NAME='a'\nKUBERNETES_VERSION='v1.36.2'\nrun KUBERNETES_VERSION='v1.1.1'\n")).toBe(
      "v1.36.2",
    );
    expect(versionGiven("HOST_NAME='a'\n")).toBeUndefined();
    expect(versionGiven(undefined)).toBeUndefined();
  });
});
