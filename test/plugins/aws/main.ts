// SPDX-License-Identifier: Apache-2.0
// The simulated AWS as a Pulumi provider: nothing it makes exists outside of the account's folder, except clusters.
import { simulatedCloud } from "../clouds/provider.ts";
import { serve } from "../serve.ts";
import { clusterKinds } from "./clusters.ts";
import { functions, loadBalancer } from "./functions.ts";
import { identityKinds } from "./identity.ts";
import { networkKinds } from "./network.ts";
import { nodeGroup } from "./node-groups.ts";

const kinds = [...networkKinds, ...identityKinds, ...clusterKinds, nodeGroup, loadBalancer];
await serve(simulatedCloud("aws", kinds, functions));
