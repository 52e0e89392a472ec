// SPDX-License-Identifier: Apache-2.0
// A flow that cannot be entered because the map refuses: it is dropped and counted, and nothing of it is left.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type * as MapTable from "../../agent/maps/map-table.ts";
import { compile } from "../../agent/shell/kernel/compile.ts";
import { answers, asks, ELSEWHERE, roads, SmallFlowMap } from "./fixtures/small-flow-map.ts";
import type { PacketSpec } from "./packet.ts";
import { DROP, NEXT, REDIRECT } from "./packet-table.ts";
import { CLIENT, NODE, POD } from "./world.ts";

/*
 * The kernel's LRU maps refuse an entry only when other processors hold every other one in the same moment. A plain hash in
 * their place refuses whenever it is full: the programs are compiled with one, and it is what the loader expects.
 */
const HASH = 1;
vi.mock("../../agent/maps/map-table.ts", async (importOriginal) => {
  const real = await importOriginal<typeof MapTable>();
  const mapShapes: typeof MapTable.mapShapes = (sizes) => {
    const shapes = real.mapShapes(sizes);
    return { ...shapes, flows: { ...shapes.flows, type: HASH } };
  };
  return { ...real, mapShapes };
});

function compileWithPlainFlows(folder: string): string {
  cpSync(join(import.meta.dirname, "../../bpf"), join(folder, "bpf"), { recursive: true });
  const maps = join(folder, "bpf/maps.h");
  const declared = readFileSync(maps, "utf8");
  const flows = /BPF_MAP_TYPE_LRU_HASH(?=\);\s+__uint\(max_entries, \d+\);\s+__type\(key, struct flow_key\);)/;
  writeFileSync(maps, declared.replace(flows, "BPF_MAP_TYPE_HASH"));
  return compile(join(folder, "objects"), join(folder, "bpf"));
}

const ENTRIES = 2;
/** A port of ours is drawn in its place, and both entries are made at once. */
const PRIVILEGED = 99;
const folder = mkdtempSync(join(tmpdir(), "sansproxy-full-flows-"));
let objectsDir: string;
beforeAll(() => {
  objectsDir = compileWithPlainFlows(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(roads)("by %s", (road) => {
  let node: SmallFlowMap;
  beforeAll(() => {
    node = new SmallFlowMap(ENTRIES, road, objectsDir);
  });
  afterAll(() => node?.close());

  describe.each(["tcp", "udp"] as const)("%s", (protocol) => {
    test("to a Service is dropped and counted; what is known goes on, and with room it is served", () => {
      const { table } = node;
      table.forget();
      for (const sourcePort of [5000, 5001]) table.ingress(asks(protocol, { sourcePort }));
      const next = asks(protocol, { sourcePort: 5002 });
      expect(table.ingress(next)).toMatchObject({ verdict: DROP, counted: { drop_state_full: 1 } });
      for (const port of [5000, 5001])
        expect(table.ingress(answers(protocol, port))).toMatchObject({ verdict: REDIRECT, to: `${CLIENT}:${port}` });
      table.forget();
      expect(table.ingress(next)).toMatchObject({ verdict: REDIRECT, counted: { new_service_flow: 1 } });
    });

    test("of which one entry has room is not left half entered", () => {
      const { table } = node;
      table.forget();
      table.ingress(asks(protocol));
      expect(node.entries()).toBe(1);
      const drawn = asks(protocol, { sourcePort: PRIVILEGED });
      expect(table.ingress(drawn)).toMatchObject({ verdict: DROP, counted: { drop_state_full: 1 } });
      expect(node.entries()).toBe(1);
    });

    test("of a pod that leaves the cluster is dropped and counted", () => {
      const { table } = node;
      table.forget();
      const leaves: PacketSpec = {
        ...{ protocol, source: POD, sourcePort: 6000, destination: ELSEWHERE, destinationPort: 443, flags: "S" },
      };
      for (const sourcePort of [6000, 6001])
        expect(table.egress({ ...leaves, sourcePort })).toMatchObject({ from: `${NODE}:${sourcePort}` });
      expect(table.egress({ ...leaves, sourcePort: 6002 })).toMatchObject({
        ...{ verdict: DROP, from: `${POD}:6002`, counted: { drop_state_full: 1 } },
      });
    });
  });

  test("a datagram from outside straight to a pod passes, and what could not be entered is counted", () => {
    const { table } = node;
    table.forget();
    for (const sourcePort of [5000, 5001]) table.ingress(asks("udp", { sourcePort }));
    const straight = asks("udp", { source: ELSEWHERE, destination: POD, destinationPort: 53 });
    expect(table.ingress(straight)).toMatchObject({ verdict: NEXT, to: `${POD}:53`, counted: { state_full: 1 } });
  });
});
