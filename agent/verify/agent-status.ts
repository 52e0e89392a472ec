// SPDX-License-Identifier: Apache-2.0
// Reads an agent's own account of itself (/readyz) and judges it: ready, and in step with the API server.
import { CHECK } from "./checks.ts";
import type { Check } from "./report.ts";

/** What /readyz says. `pending`: writes that have not reached the kernel; `reason`: what is wrong, or nothing. */
export interface AgentStatus {
  readonly ready: boolean;
  readonly services: number;
  readonly endpoints: number;
  readonly pending: number;
  readonly lastSync: string;
  readonly reason: string;
}

/** What the API server lists at one moment, counted as the agent of one node counts. */
export interface ObjectCounts {
  readonly services: number;
  readonly endpoints: number;
}

export const parseAgentStatus = (body: string): AgentStatus => {
  let value: Partial<Record<keyof AgentStatus, unknown>> | null;
  try {
    value = JSON.parse(body) as Partial<Record<keyof AgentStatus, unknown>> | null;
  } catch {
    throw new Error(`/readyz is not JSON: ${JSON.stringify(body.slice(0, 80))}`);
  }
  const number = (key: "services" | "endpoints" | "pending"): number => {
    const found = value?.[key];
    if (typeof found !== "number") throw new Error(`/readyz has no number "${key}"`);
    return found;
  };
  return {
    ready: value?.ready === true,
    services: number("services"),
    endpoints: number("endpoints"),
    pending: number("pending"),
    lastSync: typeof value?.lastSync === "string" ? value.lastSync : "never",
    reason: typeof value?.reason === "string" ? value.reason : "",
  };
};

export const describeStatus = (status: AgentStatus): string =>
  `${status.services} Services, ${status.endpoints} endpoints, ${status.pending} pending, last sync ${status.lastSync}` +
  (status.reason === "" ? "" : `: ${status.reason}`);

const counts = ({ services, endpoints }: ObjectCounts): string => `${services} Services and ${endpoints} endpoints`;

/**
 * In step: some sample of the agent agrees with some list of the API server from the same time. Both move while other
 * clients work on the cluster, so neither is compared at one instant only.
 */
export const judgeInStep = (node: string, samples: readonly AgentStatus[], listed: readonly ObjectCounts[]): Check => {
  const check = (passed: boolean, observed: string): Check => ({
    name: CHECK.agentInStep,
    node,
    passed,
    observed,
    durationMs: 0,
  });
  const last = samples.at(-1);
  const latest = listed.at(-1);
  if (last === undefined) return check(false, "the agent's state could not be read");
  if (latest === undefined) return check(false, "the API server's objects could not be listed");
  const agreed = samples.find(
    (sample) =>
      sample.pending === 0 &&
      listed.some((list) => list.services === sample.services && list.endpoints === sample.endpoints),
  );
  if (agreed !== undefined) return check(true, `agent and API server have ${counts(agreed)}, nothing pending`);
  if (last.pending > 0) return check(false, `not everything is in the kernel: ${describeStatus(last)}`);
  return check(false, `the agent has ${counts(last)}, the API server lists ${counts(latest)}`);
};
