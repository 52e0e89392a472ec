// SPDX-License-Identifier: Apache-2.0
// Asks the agent of this node for its state, over the address on which its probes are answered.
import { get } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { type AgentStatus, describeStatus, parseAgentStatus } from "../agent-status.ts";
import type { Target } from "./echo-client.ts";
import type { Attempt } from "./retry.ts";

const TIMEOUT_MS = 3_000;
const SAMPLES = 3;
const BETWEEN_SAMPLES_MS = 500;

const readStatus = (target: Target): Promise<AgentStatus> =>
  new Promise((resolve, reject) => {
    const request = get(
      { host: target.address, port: target.port, path: "/readyz", agent: false, timeout: TIMEOUT_MS },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          body += chunk;
        });
        response.once("error", reject);
        response.once("end", () => {
          try {
            const status = parseAgentStatus(body);
            resolve({ ...status, ready: status.ready && response.statusCode === 200 });
          } catch (error) {
            reject(error as Error);
          }
        });
      },
    );
    request.once("timeout", () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    request.once("error", reject);
  });

export const checkAgent = async (target: Target): Promise<Attempt> => {
  const url = `http://${target.address}:${target.port}/readyz`;
  try {
    const status = await readStatus(target);
    return {
      passed: status.ready,
      observed: `${status.ready ? "ready" : `${url} says not ready`}: ${describeStatus(status)}`,
    };
  } catch (error) {
    return { passed: false, observed: `${url}: ${(error as Error).message}` };
  }
};

/** A few samples, a moment apart; those that could not be taken are missing. */
export const sampleAgent = async (target: Target): Promise<readonly AgentStatus[]> => {
  const samples: AgentStatus[] = [];
  for (let taken = 0; taken < SAMPLES; taken += 1) {
    if (taken > 0) await pause(BETWEEN_SAMPLES_MS);
    // `checkAgent` has told already of an agent that does not answer: here it is a sample less.
    const sample = await readStatus(target).catch(() => undefined);
    if (sample !== undefined) samples.push(sample);
  }
  return samples;
};
