// SPDX-License-Identifier: Apache-2.0
// Names the tests that need more workers than the smallest cluster has. The stack that `npm run e2e` makes has enough for all.

/** Workers are labelled with three zones in turn. */
const oneInEachZone = 3;
const twoInEachZone = 6;

/** Test name as the suite prints it, and how many workers it needs. */
export const neededWorkers: Readonly<Record<string, number>> = {
  // It does not skip itself: with two workers and the control plane the controller has three endpoints for two zones, and gives
  // no hints where they cannot be shared evenly enough.
  "[sig-network] Topology Hints should distribute endpoints evenly": oneInEachZone,
  "[sig-network] Traffic Distribution should route traffic correctly between pods on multiple nodes when using PreferClose":
    twoInEachZone,
  "[sig-network] Traffic Distribution should route traffic correctly between pods on multiple nodes when using PreferSameZone":
    twoInEachZone,
  "[sig-network] Traffic Distribution should route traffic to an endpoint on the same node or fall back to same zone when using PreferSameNode":
    twoInEachZone,
};

export const mostNeededWorkers = Math.max(...Object.values(neededWorkers));
