// SPDX-License-Identifier: Apache-2.0
// The operator's commands: what they ask the agent, and how the answer is written.

import { askAgent } from "./agent-state.ts";
import { endpointText, renderDrops, renderExplanation, renderServices, renderStatus } from "./render.ts";

export interface OperatorOptions {
  readonly port: number;
  readonly output: "table" | "json";
}

/** Each resolves to the exit status: 0, or 1 when what was asked for is not in order. */
export async function runStatus({ port, output }: OperatorOptions, write: (text: string) => void): Promise<number> {
  const state = await askAgent(port, "/state");
  write(output === "json" ? json(state) : lines(renderStatus(state)));
  return state.ready && !state.stuck ? 0 : 1;
}

export async function runServiceList(
  { port, output }: OperatorOptions,
  write: (text: string) => void,
): Promise<number> {
  const { services } = await askAgent(port, "/state/services");
  write(output === "json" ? json(services) : lines(renderServices(services)));
  return 0;
}

export async function runDrops({ port, output }: OperatorOptions, write: (text: string) => void): Promise<number> {
  const { counters } = await askAgent(port, "/state");
  write(output === "json" ? json(counters) : lines(renderDrops(counters)));
  return 0;
}

export interface AskedFrontend {
  readonly address: string;
  readonly port: number;
}

export async function runExplain(
  asked: AskedFrontend,
  { port, output }: OperatorOptions,
  write: (text: string) => void,
): Promise<number> {
  const query = { address: asked.address, port: String(asked.port) };
  const { frontends, nodePortCidrs } = await askAgent(port, "/state/explain", query);
  const text = endpointText(asked.address, asked.port);
  write(output === "json" ? json(frontends) : lines(renderExplanation(text, frontends, nodePortCidrs)));
  return frontends.length > 0 ? 0 : 1;
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
const lines = (all: readonly string[]): string => `${all.join("\n")}\n`;
