// SPDX-License-Identifier: Apache-2.0
// The simulated Google Cloud as a Pulumi provider: nothing it makes exists outside of the account's folder, except clusters.
import type { CloudFunction } from "../clouds/provider.ts";
import { simulatedCloud } from "../clouds/provider.ts";
import { serve } from "../serve.ts";
import { cluster } from "./clusters.ts";
import { networkKinds, projectOf } from "./network.ts";
import { nodePool } from "./node-pools.ts";

const functions: Readonly<Record<string, CloudFunction>> = {
  "gcp:organizations/getClientConfig:getClientConfig": (_args, { settings }) => ({
    id: "simulated",
    accessToken: "simulated",
    project: projectOf({}, settings),
    region: settings["region"] ?? "",
    zone: settings["zone"] ?? "",
  }),
};

await serve(simulatedCloud("gcp", [...networkKinds, cluster, nodePool], functions));
