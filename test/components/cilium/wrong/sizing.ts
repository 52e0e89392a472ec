// SPDX-License-Identifier: Apache-2.0
// Wrong expectations, and maps that are too small for them.

import { on, type Row, typed, type Wrong } from "./row.ts";

const crowd = { services: 10000, endpoints: 100000 };

const sizing: Row[] = [
  [
    "fewer than no Services",
    { expected: { services: -1, endpoints: 0 } },
    "expected.services",
    /not a number of things/,
    /0 or more/,
  ],
  [
    "a misspelled expectation",
    typed({ expected: { services: 1, endpoints: 1, exposedService: 1 } }),
    "expected.exposedService",
    /would change nothing/,
    /did you mean "exposedServices"\?/,
  ],
  [
    "a misspelled expectation that has to be given",
    typed({ expected: { servces: 1, endpoints: 1 } }),
    "expected.servces",
    /would change nothing/,
    /did you mean "services"\?/,
  ],
  [
    "more exposed Services than Services",
    { expected: { services: 1, endpoints: 1, exposedServices: 2 } },
    "expected.exposedServices",
    /more than all 1/,
    /expected\.services/,
  ],
  [
    "more frontends than ids",
    { mode: "tunnel", expected: { services: 20000, endpoints: 20000, exposedServices: 20000 } },
    "expected.services",
    /ids for 65535/,
    /engine "agent"/,
  ],
  [
    "a Service map that is too small",
    { expected: crowd, bpf: { lbMapMax: 65536 } },
    "bpf.lbMapMax",
    /need 110000 entries/,
    /set it to 262144/,
  ],
  [
    "more endpoints than any map holds",
    { expected: { services: 100, endpoints: 20_000_000, nodeMemoryMib: 262144 } },
    "expected.endpoints",
    /16777216 at most/,
    /engine "agent"/,
  ],
  [
    "maps over their budget",
    { expected: { ...crowd, mapMemoryBudgetMib: 64 } },
    "expected.mapMemoryBudgetMib",
    /would take \d+ MiB/,
    /raise it/,
  ],
  [
    "Maglev tables over the budget",
    { expected: { services: 10000, endpoints: 10000, exposedServices: 10000, nodeMemoryMib: 4096 } },
    "expected.mapMemoryBudgetMib",
    /"Maglev tables"/,
    /lower maglev\.tableSize/,
  ],
];

export const sizingConfigurations: readonly Wrong[] = [...on("bare-metal", sizing)];
