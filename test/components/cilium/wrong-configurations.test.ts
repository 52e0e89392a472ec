// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { Datapath } from "../../../components/index.ts";
import { recordProgram } from "../recorded-program.ts";
import type { Wrong } from "./wrong/row.ts";
import { wrongConfigurations } from "./wrong-configurations.ts";

async function refusal({ cluster, choice }: Wrong) {
  let problems: { propertyPath: string; reason: string }[] = [];
  const { resources } = await recordProgram(() => {
    try {
      new Datapath("datapath", { cluster, engine: "cilium", ...choice });
    } catch (error) {
      if (!pulumi.InputPropertiesError.isInstance(error)) throw error;
      problems = error.errors;
    }
  });
  return { problems, created: [...resources.keys()] };
}

describe("Datapath with the engine cilium refuses before anything is created", () => {
  it.each(wrongConfigurations.map((wrong) => [wrong.what, wrong] as const))("%s", async (_what, wrong) => {
    const { problems, created } = await refusal(wrong);
    expect(created).toEqual([]);
    expect(problems.map(({ propertyPath }) => propertyPath)).toEqual([wrong.propertyPath]);
    expect(problems[0]?.reason).toMatch(wrong.reason);
    expect(problems[0]?.reason).toMatch(wrong.remedy);
    // One sentence, without a break.
    expect(problems[0]?.reason).toMatch(/^[^\n]+[.?]$/);
  });

  it("sixty configurations and more, each of another kind", () => {
    const kinds = wrongConfigurations.map(({ what }) => what);
    expect(new Set(kinds).size).toBe(kinds.length);
    expect(kinds.length).toBeGreaterThanOrEqual(60);
  });
});
