// SPDX-License-Identifier: Apache-2.0
// All rules of the policy pack.

import type { ResourceRule, StackRule } from "./rule.ts";
import { apiHostRule, notAwaitedRule, valueSetRule } from "./rules/datapath-release.ts";
import { pinnedImageRule } from "./rules/images.ts";
import { addonRule, bootstrapAddonsRule, workloadRule } from "./rules/kube-proxy.ts";
import { kubeadmRule } from "./rules/kubeadm.ts";
import { datapathFirstRule, dataplaneV2Rule, taintRule } from "./rules/nodes.ts";
import { hostKeyRule, kubeconfigRule } from "./rules/secrets.ts";

/** Judged for each resource, before it is created. */
export const resourceRules: readonly ResourceRule[] = [
  addonRule,
  bootstrapAddonsRule,
  workloadRule,
  kubeadmRule,
  dataplaneV2Rule,
  apiHostRule,
  valueSetRule,
  notAwaitedRule,
  pinnedImageRule,
  kubeconfigRule,
  hostKeyRule,
];

/** Judged for the whole stack. */
export const stackRules: readonly StackRule[] = [datapathFirstRule, taintRule];
