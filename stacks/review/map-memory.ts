// SPDX-License-Identifier: Apache-2.0
// Predicts what the datapath's maps take on a node before and after a change.

import { type MapMemory, mapMemory, totalMib } from "../../components/internal/cilium/sizing.ts";
import type { Change, Preview } from "./preview.ts";
import { isUnknown } from "./preview.ts";
import type { DatapathChange } from "./values.ts";

/** Memory of one kind of map on a node. */
export interface MapChange {
  readonly map: string;
  readonly before: MapMemory | undefined;
  readonly after: MapMemory | undefined;
}

/** The prediction for one datapath, in MiB on a node. */
export interface MemoryChange {
  readonly before: number | undefined;
  readonly after: number | undefined;
  /** Whether both are for the expected load; otherwise for full maps on a node of assumed size. */
  readonly byLoad: boolean;
  /** The maps whose size changes, largest first. */
  readonly maps: readonly MapChange[];
}

const known = (values: unknown): Record<string, unknown> | undefined => {
  if (typeof values !== "object" || values === null) return undefined;
  return JSON.parse(JSON.stringify(values, (_key, value: unknown) => (isUnknown(value) ? undefined : value)));
};

const maps = (state: Change["before"]): MapMemory[] | undefined => {
  const values = known(state?.inputs?.["values"]);
  return values === undefined ? undefined : mapMemory(values, undefined);
};

/** What Datapath itself said at this preview, where it was told what load to expect. */
function said(preview: Preview, component: string): number | undefined {
  const message = preview.messages.findLast(
    ({ urn, text }) => urn === component && text.includes("Cilium's maps take"),
  );
  const [, mib] = /Cilium's maps take about (\d+) MiB .* under the expected load/.exec(message?.text ?? "") ?? [];
  return mib === undefined ? undefined : Number(mib);
}

/** The prediction for a datapath; none for the agent, whose maps grow with the Services that there are. */
export function memoryChange(preview: Preview, { engine, change }: DatapathChange): MemoryChange | undefined {
  if (engine !== "cilium") return undefined;
  const component = (change.after ?? change.before)?.parent ?? "";
  const recorded = preview.changes.find(({ urn }) => urn === component)?.before?.outputs?.["predictedMapMemoryMib"];
  const [before, after] = [maps(change.before), maps(change.after)];
  const total = (of: MapMemory[] | undefined): number | undefined => (of === undefined ? undefined : totalMib(of));
  // Where no load was expected, what is recorded is the size of full maps.
  const oldMib = typeof recorded === "number" && recorded !== total(before) ? recorded : undefined;
  const newMib = said(preview, component);
  const byLoad = newMib !== undefined && (oldMib !== undefined || before === undefined);
  const names = [...new Set([...(before ?? []), ...(after ?? [])].map(({ map }) => map))];
  return {
    before: byLoad ? oldMib : total(before),
    after: byLoad && after !== undefined ? newMib : total(after),
    byLoad,
    maps: names
      .map((map) => ({
        map,
        before: before?.find((item) => item.map === map),
        after: after?.find((item) => item.map === map),
      }))
      .filter((item) => item.before?.bytes !== item.after?.bytes)
      .sort(
        (a, b) =>
          Math.max(b.after?.bytes ?? 0, b.before?.bytes ?? 0) - Math.max(a.after?.bytes ?? 0, a.before?.bytes ?? 0),
      ),
  };
}
