// SPDX-License-Identifier: Apache-2.0
// The parts of prom-client that the agent uses: its index also loads what pushes, samples and gathers from workers, 10 MB of it.

import { createRequire } from "node:module";
import type * as client from "prom-client";

type Parts = Pick<typeof client, "Counter" | "Gauge" | "Histogram" | "Registry">;

const load = createRequire(import.meta.url);
const part = <K extends keyof Parts>(file: string): Parts[K] => load(`prom-client/lib/${file}.js`) as Parts[K];

export const Counter = part<"Counter">("counter");
export const Gauge = part<"Gauge">("gauge");
export const Histogram = part<"Histogram">("histogram");
export const Registry = part<"Registry">("registry");

export type Counter<T extends string = string> = client.Counter<T>;
export type Gauge<T extends string = string> = client.Gauge<T>;
export type Histogram<T extends string = string> = client.Histogram<T>;
export type Registry = client.Registry;
