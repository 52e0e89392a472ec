// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { parseReplacementMode } from "../../../agent/verify/cilium-status.ts";

describe("Cilium's status", () => {
  it("says in which mode it replaces kube-proxy", () => {
    const status = { cilium: { state: "Ok" }, "kube-proxy-replacement": { mode: "True", devices: ["eth0"] } };
    expect(parseReplacementMode(JSON.stringify(status))).toBe("True");
  });

  it.each([
    ["no JSON", "Error: cannot reach the agent", /gave no JSON: "Error: cannot reach/],
    ["no word of it", "{}", /has no kube-proxy-replacement/],
    ["null", "null", /has no kube-proxy-replacement/],
  ])("is refused with a sentence when it has %s", (_, text, reason) => {
    expect(() => parseReplacementMode(text)).toThrow(reason);
  });
});
