// SPDX-License-Identifier: Apache-2.0
import type { Account } from "../account.ts";
import type { Clusters } from "./cluster.ts";
export const machineClusters = (_account: Account): Clusters => {
  throw new Error("later");
};
