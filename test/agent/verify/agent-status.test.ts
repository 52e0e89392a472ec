// SPDX-License-Identifier: Apache-2.0
// Tests when an agent counts as in step with the API server, and what is said when it does not.
import { describe, expect, it } from "vitest";
import { type AgentStatus, judgeInStep, parseAgentStatus } from "../../../agent/verify/agent-status.ts";

const status = (change: Partial<AgentStatus> = {}): AgentStatus => ({
  ...{ ready: true, services: 5, endpoints: 9, pending: 0, lastSync: "2026-11-23T09:00:00Z", reason: "" },
  ...change,
});

describe("agent in step", () => {
  it("passes when a sample agrees with a list taken while the probes ran", () => {
    const check = judgeInStep(
      "a",
      [status({ services: 4 }), status()],
      [
        { services: 5, endpoints: 9 },
        { services: 6, endpoints: 9 },
      ],
    );
    expect(check).toMatchObject({
      node: "a",
      passed: true,
      observed: "agent and API server have 5 Services and 9 endpoints, nothing pending",
    });
  });

  it("fails with both counts when they never agreed", () => {
    expect(judgeInStep("a", [status({ services: 3 })], [{ services: 5, endpoints: 9 }])).toMatchObject({
      passed: false,
      observed: "the agent has 3 Services and 9 endpoints, the API server lists 5 Services and 9 endpoints",
    });
  });

  it("fails while writes are pending", () => {
    expect(
      judgeInStep(
        "a",
        [status({ pending: 2, reason: "2 writes to the kernel have failed" })],
        [{ services: 5, endpoints: 9 }],
      ),
    ).toMatchObject({
      passed: false,
      observed:
        "not everything is in the kernel: 5 Services, 9 endpoints, 2 pending, last sync 2026-11-23T09:00:00Z: 2 writes to the kernel have failed",
    });
  });

  it("fails when the agent could not be asked", () => {
    expect(judgeInStep("a", [], [{ services: 5, endpoints: 9 }])).toMatchObject({
      passed: false,
      observed: "the agent's state could not be read",
    });
  });

  it("refuses an answer that is not the agent's", () => {
    expect(() => parseAgentStatus("<html>")).toThrow('/readyz is not JSON: "<html>"');
    expect(() => parseAgentStatus("{}")).toThrow('/readyz has no number "services"');
  });
});
