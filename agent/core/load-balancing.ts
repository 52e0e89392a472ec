// SPDX-License-Identifier: Apache-2.0
// Decides how each Service's backend is found for a packet, and which way its answers go.

import { PROTOCOL_NUMBERS } from "./endpoint-selection.ts";
import { ALGORITHM_ANNOTATION, objectKey, type Service } from "./kubernetes-objects.ts";
import { maglevTableSize } from "./maglev.ts";
import type { FrontendScope, Protocol } from "./operation.ts";
import type { Problem } from "./problem.ts";

export type Algorithm = "random" | "maglev";

/** Answers of other nodes' backends: back through the node that was asked, or straight to the client; `hybrid`: UDP back. */
export type Mode = "snat" | "dsr" | "hybrid";

export interface LoadBalancing {
  /** Of Services that do not say. */
  readonly algorithm: Algorithm;
  /** Cells of a Maglev table: a prime. */
  readonly maglevTableSize: number;
  /** @default "snat" */
  readonly mode?: Mode;
}

export const DEFAULT_LOAD_BALANCING: LoadBalancing = { algorithm: "random", maglevTableSize: 16_381 };

export const isMode = (text: string): text is Mode => text === "snat" || text === "dsr" || text === "hybrid";

export const isAlgorithm = (text: string): text is Algorithm => text === "random" || text === "maglev";

/** What the Service asks for, or else the default. */
export function algorithmOf(service: Service, { algorithm }: LoadBalancing, problems: Problem[]): Algorithm {
  const asked = service.algorithm;
  if (asked === "" || isAlgorithm(asked)) return asked || algorithm;
  const name = objectKey(service);
  const message = `Service ${name}: its annotation ${ALGORITHM_ANNOTATION} is "${asked}", which is no algorithm, so it is served as by default (${algorithm}); write "maglev" or "random".`;
  problems.push({ service: name, reason: "LoadBalancerAlgorithm", message });
  return algorithm;
}

/**
 * Whether the backend's node may answer the client of a frontend: it has to find the same backend by itself, so by a
 * Maglev table that is the same on all nodes, and not by what one node remembers of a client.
 */
export function returnsDirectly(
  { mode, algorithm }: Pick<LoadBalancing, "mode" | "algorithm">,
  frontend: {
    readonly protocol: Protocol;
    readonly scope: FrontendScope;
    readonly externalPolicy: string;
    readonly affinitySeconds: number;
  },
): boolean {
  if (mode === undefined || mode === "snat" || algorithm !== "maglev") return false;
  if (frontend.scope !== "external" || frontend.externalPolicy !== "cluster" || frontend.affinitySeconds > 0)
    return false;
  return mode === "dsr" || frontend.protocol !== PROTOCOL_NUMBERS["UDP"];
}

/** Cells of the extent of so many endpoints; a set that no table has room for is served at random. */
export function cellsOf(endpoints: number, algorithm: Algorithm, tableSize: number): number {
  if (algorithm === "random" || endpoints === 0) return endpoints;
  return maglevTableSize(endpoints, tableSize) ?? endpoints;
}

/** Names a set of endpoints and the cells that it is spread over: equal names are equal extents. */
export const contentsOf = (sortedBackendIds: readonly string[], cells = sortedBackendIds.length): string =>
  cells === sortedBackendIds.length ? sortedBackendIds.join(" ") : `${cells} cells ${sortedBackendIds.join(" ")}`;
