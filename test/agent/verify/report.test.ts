// SPDX-License-Identifier: Apache-2.0
// Tests what a report must cover, when it passes, and how a person reads it.
import { describe, expect, it } from "vitest";
import { CHECK, completeChecks, expectedChecks } from "../../../agent/verify/checks.ts";
import { createProgress } from "../../../agent/verify/progress.ts";
import { type Check, summarise, WHOLE_CLUSTER } from "../../../agent/verify/report.ts";
import { renderTable } from "../../../agent/verify/table.ts";
import { printReport } from "../../../agent/verify/verify-command.ts";

const pass = (name: string, node: string): Check => ({ name, node, passed: true, observed: "seen", durationMs: 12 });

describe("report", () => {
  it("does not pass when nothing was checked", () => {
    expect(summarise([], 1).passed).toBe(false);
  });

  it("expects traffic from a pod and from a host, the machine's state and the agent's on every node", () => {
    const names = (node: string): string[] =>
      expectedChecks(["a", "b"])
        .filter((check) => check.node === node)
        .map((check) => check.name);
    expect(names("a")).toEqual(names("b"));
    expect(names("a")).toEqual(
      expect.arrayContaining([
        "no kube-proxy process",
        "no kube-proxy chains",
        "agent ready",
        "agent in step",
        "ClusterIP TCP from pod",
        "ClusterIP UDP from host",
        "ClusterIP UDP unconnected from host",
        "NodePort TCP from pod",
        "NodePort UDP from host",
        "DNS from pod",
        "kubernetes Service from host",
      ]),
    );
    expect(names(WHOLE_CLUSTER)).toEqual(["cluster DNS available", "no kube-proxy DaemonSet"]);
  });

  it("fails a check that nobody carried out", () => {
    const all = expectedChecks(["a"]).map(({ name, node }) => pass(name, node));
    expect(summarise(completeChecks(["a"], all), 1).passed).toBe(true);
    const report = summarise(completeChecks(["a"], all.slice(1)), 1);
    expect(report.passed).toBe(false);
    expect(report.checks.find((check) => !check.passed)).toMatchObject({
      ...all[0],
      passed: false,
      observed: "was not carried out",
      durationMs: 0,
    });
  });

  it("keeps a failed check that is not on the list", () => {
    const extra = { ...pass("no kube-proxy Pod", "elsewhere"), passed: false };
    expect(completeChecks([], [extra])).toContainEqual(extra);
  });

  it("shows checks by node, and for each failure the check, the node and what was seen", () => {
    const table = renderTable(
      summarise(
        [
          pass("DNS from pod", "w-1"),
          { ...pass("DNS from pod", "w-2"), passed: false, observed: "no answer" },
          pass(CHECK.dnsAvailable, WHOLE_CLUSTER),
        ],
        61_000,
      ),
    );
    expect(table.split("\n")[0]).toMatch(/^CHECK\s+CLUSTER\s+w-1\s+w-2$/);
    expect(table).toMatch(/DNS from pod\s+ok 12 ms\s+FAILED 12 ms/);
    expect(table).toContain("DNS from pod, node w-2: no answer");
    expect(table).toContain("FAILED: 2 of 3 checks passed on 2 nodes in 61.0 s");
  });

  it("puts JSON alone on standard output, and the table on standard error when a check failed", () => {
    const failed = summarise([{ ...pass("x", "n"), passed: false }], 5);
    const out: string[] = [];
    const err: string[] = [];
    printReport(failed, "json", { stdout: (text) => out.push(text), stderr: (text) => err.push(text) });
    expect(JSON.parse(out.join(""))).toEqual(failed);
    expect(err.join("")).toContain("x, node n: seen");
    printReport(summarise([pass("x", "n")], 5), "json", {
      stdout: () => {},
      stderr: () => {
        throw new Error("a passing report writes nothing to standard error");
      },
    });
  });
});

describe("progress", () => {
  it("drops repeats until it has been silent for long, then says how long it has waited", () => {
    const lines: string[] = [];
    let now = 0;
    const progress = createProgress(
      (line) => lines.push(line),
      () => now,
    );
    progress("waiting for node w-2");
    now = 10_000;
    progress("waiting for node w-2");
    now = 31_000;
    progress("waiting for node w-2");
    expect(lines).toEqual(["verify: waiting for node w-2\n", "verify: still waiting for node w-2 (31 s)\n"]);
  });
});
