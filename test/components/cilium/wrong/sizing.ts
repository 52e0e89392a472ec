// SPDX-License-Identifier: Apache-2.0
// Wrong expectations, and maps that are too small for them.

import { helm, on, type Row, typed, type Wrong } from "./row.ts";

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
    "a table of nodes that is too small",
    { expected: { services: 1, endpoints: 1, nodes: 20_000 }, ...helm({ bpf: { nodeMapMax: 16384 } }) },
    "helmValues.bpf.nodeMapMax",
    /20000 nodes are expected/,
    /set it to 65536 or leave it out/,
  ],
  [
    "Maglev tables that are too small for the endpoints",
    { expected: { services: 100, endpoints: 5000 }, maglev: { tableSize: 4093 } },
    "maglev.tableSize",
    /100 times the 50 endpoints/,
    /set it to 8191 or leave it out/,
  ],
  [
    "Maglev tables over the budget that cannot be smaller",
    {
      expected: {
        services: 100,
        endpoints: 16_400,
        portsPerService: 10,
        exposedServices: 100,
        mapMemoryBudgetMib: 256,
      },
    },
    "expected.mapMemoryBudgetMib",
    /"Maglev tables"/,
    /set loadBalancer\.algorithm to "random"/,
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
