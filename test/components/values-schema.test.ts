// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { schemaProblems, type ValuesSchema } from "../../components/internal/values-schema.ts";

const chart = JSON.parse(
  readFileSync(new URL("../../agent/chart/values.schema.json", import.meta.url), "utf8"),
) as ValuesSchema;

/** A value that breaks nothing but what one keyword says. */
const broken: Readonly<Record<string, readonly [schema: ValuesSchema, value: unknown]>> = {
  type: [{ type: "string" }, 1],
  properties: [{ type: "object", properties: { a: { type: "string" } } }, { a: 1 }],
  additionalProperties: [{ type: "object", additionalProperties: false }, { a: 1 }],
  items: [{ type: "array", items: { type: "string" } }, [1]],
  enum: [{ enum: ["a"] }, "b"],
  pattern: [{ type: "string", pattern: "^a$" }, "b"],
  minLength: [{ type: "string", minLength: 1 }, ""],
  minimum: [{ type: "integer", minimum: 1 }, 0],
  exclusiveMinimum: [{ type: "number", exclusiveMinimum: 0 }, 0],
  maximum: [{ type: "integer", maximum: 1 }, 2],
  $ref: [{ definitions: { text: { type: "string" } }, properties: { a: { $ref: "#/definitions/text" } } }, { a: 1 }],
};

/** Those that say nothing about a value; `required` is Helm's to judge, with the chart's defaults laid under. */
const silent = ["$schema", "title", "description", "definitions", "required"];

function keywords(schema: object): string[] {
  return Object.entries(schema).flatMap(([keyword, value]) => {
    const under = ["properties", "definitions"].includes(keyword) ? Object.values(value as object) : [value];
    const schemas = under.filter((each) => typeof each === "object" && each !== null && !Array.isArray(each));
    return [keyword, ...schemas.flatMap((each) => keywords(each as object))];
  });
}

describe("the check of chart values", () => {
  it("judges every keyword that the chart's schema uses", () => {
    const used = [...new Set(keywords(chart))].filter((keyword) => !silent.includes(keyword));
    expect(used.filter((keyword) => broken[keyword] === undefined)).toEqual([]);
  });

  it.each(Object.entries(broken))("refuses what breaks %s", (_, [schema, value]) => {
    expect(schemaProblems(schema, "values", value)).toHaveLength(1);
  });
});
