// SPDX-License-Identifier: Apache-2.0
// Clusters whose API server Cilium could not reach.

import { on, type Wrong } from "./row.ts";

export const clusterConfigurations: readonly Wrong[] = [
  ...on(
    "bare-metal",
    [["no API server host", {}, "cluster.apiServerHost", /wait for each other/, /give the address/]],
    { apiServerHost: "" },
  ),
  ...on(
    "bare-metal",
    [
      [
        "an API server host to be looked up",
        {},
        "cluster.apiServerHost",
        /cannot be previewed/,
        /give the address itself/,
      ],
    ],
    { apiServerHost: "auto" },
  ),
  ...on("bare-metal", [["a URL for a host", {}, "cluster.apiServerHost", /https/, /the host alone/]], {
    apiServerHost: "https://10.0.0.1:6443",
  }),
  ...on(
    "bare-metal",
    [["a Service for the API server", {}, "cluster.apiServerHost", /an address of a Service/, /own address/]],
    { apiServerHost: "10.96.0.1" },
  ),
  ...on("bare-metal", [["a port that is none", {}, "cluster.apiServerPort", /70000/, /1 to 65535/]], {
    apiServerPort: 70000,
  }),
];
