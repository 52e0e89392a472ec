// SPDX-License-Identifier: Apache-2.0
// Shows what the reports say of a run, and how one test's result is read out of the suite's own report.
import { expect, test } from "vitest";
import { closingLine, count, junit, markdown, type Outcome } from "./report.ts";
import { judge } from "./suite.ts";

const log = "";
const outcome: Outcome = {
  kubernetesVersion: "v1.36.3",
  startedAt: "2026-01-02T03:04:05.000Z",
  seconds: 125,
  results: [
    { name: "[sig-network] Services should a|b", state: "passed", seconds: 12.3, message: "", log },
    {
      name: "[sig-network] HostPort validates <x>",
      state: "failed",
      seconds: 60,
      message: "timed\nout & \u001b[0m gone",
      log,
    },
    { name: "[sig-network] Traffic Distribution should c", state: "skipped", seconds: 1, message: "need 3 zones", log },
  ],
  notPossible: [{ name: "[sig-network] Networking sctp", reason: "no SCTP sockets" }],
  notRun: 0,
};

test("the closing line counts what was skipped by the suite together with what is not possible here", () => {
  expect(closingLine(count(outcome))).toBe("1 passed, 1 failed, 2 skipped");
});

test("the table begins with the failures and gives each reason on one line", () => {
  const rows = markdown(outcome)
    .split("\n")
    .filter((line) => line.startsWith("| [sig"));
  expect(rows[0]).toMatch(
    /^\| \[sig-network\] HostPort validates &lt;x> \| \*\*failed\*\* \| 60 \| timed out & .* gone \|$/,
  );
  expect(rows[1]).toBe("| [sig-network] Services should a\\|b | passed | 12 |  |");
  expect(rows[3]).toBe("| [sig-network] Networking sctp | not possible here |  | no SCTP sockets |");
});

test("an interrupted run says how many tests it did not begin", () => {
  expect(markdown({ ...outcome, notRun: 7 })).toContain(
    "The run was interrupted: 7 more tests were not begun.\n\n| Test",
  );
  expect(markdown(outcome)).not.toContain("interrupted");
});

test("the JUnit file counts every test and holds no character that XML forbids", () => {
  const text = junit(outcome);
  expect(text).toContain('<testsuites tests="4" failures="1" skipped="2">');
  expect(text).toContain('classname="sig-network.HostPort" name="[sig-network] HostPort validates &lt;x&gt;"');
  expect(text).toContain('<failure message="timed&#10;out &amp; [0m gone"/>');
  expect(text).not.toContain("\u001b");
});

const spec = (State: string, more: object = {}) => ({ LeafNodeType: "It", State, RunTime: 2e9, ...more });
const leftOut = spec("skipped");

test("a test out of focus is no result; the one that ran is", () => {
  expect(judge({ SpecReports: [leftOut, spec("passed"), leftOut] }, 9)).toEqual({
    state: "passed",
    seconds: 2,
    message: "",
  });
});

test("a failure says why and where in Kubernetes' sources", () => {
  const Failure = {
    Message: "not reachable",
    Location: { FileName: "/go/pkg/mod/k8s.io/kubernetes@v1.36.3/test/e2e/network/service.go", LineNumber: 7 },
  };
  expect(judge({ SpecReports: [spec("failed", { Failure })] }, 9).message).toBe(
    "not reachable (test/e2e/network/service.go:7)",
  );
});

test("a skip with a reason is the suite's own", () => {
  const { state, message } = judge({ SpecReports: [spec("skipped", { Failure: { Message: "need 3 zones" } })] }, 9);
  expect([state, message]).toEqual(["skipped", "need 3 zones"]);
});

test("every other end is a failure: timed out, interrupted, panicked, set-up broken, no test, two tests", () => {
  for (const end of ["timedout", "interrupted", "panicked", "aborted"]) {
    expect(judge({ SpecReports: [spec(end)] }, 9).state).toBe("failed");
  }
  const setUp = {
    LeafNodeType: "SynchronizedBeforeSuite",
    State: "failed",
    RunTime: 1,
    Failure: { Message: "no nodes" },
  };
  expect(judge({ SpecReports: [setUp, leftOut] }, 9)).toEqual({ state: "failed", seconds: 9, message: "no nodes" });
  expect(judge({ SpecReports: [leftOut] }, 9).message).toMatch(/^0 tests ran/);
  expect(judge({ SpecReports: [spec("passed"), spec("passed")] }, 9).message).toMatch(/^2 tests ran/);
});
