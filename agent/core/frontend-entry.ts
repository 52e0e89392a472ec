// SPDX-License-Identifier: Apache-2.0
// Compares what two writes of a frontend would store.

import type { FrontendEntry } from "./operation.ts";

export const sameEntry = (a: FrontendEntry, b: FrontendEntry): boolean =>
  a.selection === b.selection &&
  a.externalSelection === b.externalSelection &&
  a.noEndpoint === b.noEndpoint &&
  a.affinitySeconds === b.affinitySeconds &&
  a.sourceRanges === b.sourceRanges &&
  a.service === b.service &&
  a.scope === b.scope &&
  (a.algorithm ?? "random") === (b.algorithm ?? "random") &&
  (a.dsr ?? false) === (b.dsr ?? false);
