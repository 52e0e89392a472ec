// SPDX-License-Identifier: Apache-2.0
// How far the verifier walks each program that there is: in tc, in XDP, at sockets, and those that are run by hand.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BpfObject } from "../../agent/shell/kernel/libbpf.ts";
import { programInfo } from "../../agent/shell/kernel/object-info.ts";
import { objectsDir } from "./world.ts";

const MOST = 100_000;
/** `BPF_MAP_TYPE_SK_STORAGE`. */
const SOCKET_STORAGE = 24;
const objects = readdirSync(objectsDir()).filter((name) => name.endsWith(".bpf.o"));

test.each(objects)("%s: the verifier walks no program for longer than 100,000 instructions", (name) => {
  const object = new BpfObject(join(objectsDir(), name));
  try {
    // The compiler's own data, such as .rodata, has a size already, and a socket's storage has none.
    for (const [map, { type }] of object.maps())
      if (!map.includes(".") && type !== SOCKET_STORAGE) object.resizeMap(map, 1);
    if (object.maps().has(".rodata.flows")) object.setConstant(".rodata.flows", 1);
    object.load();
    const walked = [...object.programs()].map(
      ([program, fd]) => [program, programInfo(`program ${program}`, fd).verifiedInstructions] as const,
    );
    console.log(`verified instructions of ${name}:`, Object.fromEntries(walked));
    expect(walked.length).toBeGreaterThan(0);
    expect(walked.filter(([, instructions]) => instructions === 0 || instructions >= MOST)).toEqual([]);
  } finally {
    object.close();
  }
});
