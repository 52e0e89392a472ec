// SPDX-License-Identifier: Apache-2.0
// Configurations of Cilium that cannot work: each with the one property to blame, its reason and the remedy.

import { cloudConfigurations } from "./wrong/clouds.ts";
import { clusterConfigurations } from "./wrong/clusters.ts";
import { installationConfigurations } from "./wrong/installation.ts";
import { nodesConfigurations } from "./wrong/nodes.ts";
import { routingConfigurations } from "./wrong/routing.ts";
import type { Wrong } from "./wrong/row.ts";
import { servingConfigurations } from "./wrong/serving.ts";
import { sizingConfigurations } from "./wrong/sizing.ts";

/** The table. */
export const wrongConfigurations: readonly Wrong[] = [
  ...cloudConfigurations,
  ...clusterConfigurations,
  ...installationConfigurations,
  ...nodesConfigurations,
  ...routingConfigurations,
  ...servingConfigurations,
  ...sizingConfigurations,
];
