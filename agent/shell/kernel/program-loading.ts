// SPDX-License-Identifier: Apache-2.0
// Loads the programs with the pinned maps, and pins the maps that were made for them.
import { join } from "node:path";
import { defaultEntries, type MapName } from "../../maps/map-table.ts";
import type { DatapathOptions } from "./datapath.ts";
import { KernelError } from "./kernel-error.ts";
import { BpfObject } from "./libbpf.ts";
import { Pins } from "./pins.ts";
import { possibleCpus } from "./possible-cpus.ts";
import { requirePreconditions } from "./preconditions.ts";
import { close } from "./syscall.ts";

const objectFiles = ["socket_lb.bpf.o", "socket_guard.bpf.o", "tc.bpf.o"];

/** Of the programs that see packets, each object its own: see bpf/lib/flow_cache.h. */
const FLOW_CACHE = "flow_cache";
const FLOW_CACHE_LINES = ".rodata.flows";
const COPIES_OF_A_LINE = 2;

/** All of it is the owner's to close. */
export interface LoadedPrograms {
  readonly pins: Pins;
  readonly objects: BpfObject[];
  readonly fds: Map<MapName, number>;
}

export function loadAtOnce(options: DatapathOptions): LoadedPrograms {
  const steps = prepare(options);
  try {
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done) return step.value;
      step.value.load();
    }
  } catch (error) {
    // It lets go of what it has.
    steps.throw(error);
    throw error;
  }
}

/** On another thread, one object after the other, while this one does other work. */
export async function loadBeside(options: DatapathOptions): Promise<LoadedPrograms> {
  const steps = prepare(options);
  try {
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done) return step.value;
      await step.value.loadBeside();
    }
  } catch (error) {
    // It lets go of what it has.
    steps.throw(error);
    throw error;
  }
}

/** Yields each object when it is to be loaded; lets go of everything when that fails. */
function* prepare(options: DatapathOptions): Generator<BpfObject, LoadedPrograms> {
  requirePreconditions(options);
  const pins = new Pins(options.bpfRoot, { ...defaultEntries, ...options.sizes });
  const loaded: LoadedPrograms = { pins, objects: [], fds: new Map() };
  const isAccelerated = (options.acceleration ?? "disabled") !== "disabled";
  try {
    for (const file of isAccelerated ? [...objectFiles, "xdp.bpf.o"] : objectFiles) {
      const object = new BpfObject(join(options.objectsDir, file));
      loaded.objects.push(object);
      const fresh = giveMaps(object, loaded);
      if (object.maps().has(FLOW_CACHE)) sizeFlowCache(object, pins.shapes.flows.entries);
      yield object;
      for (const name of fresh) pinMap(name, object, loaded);
    }
    return loaded;
  } catch (error) {
    letGo(loaded);
    throw error;
  }
}

/** Gives the object the maps that are pinned, and says which it is to make. */
function giveMaps(object: BpfObject, { pins, fds }: LoadedPrograms): MapName[] {
  const fresh: MapName[] = [];
  for (const name of Object.keys(pins.shapes) as MapName[]) {
    const fd = fds.get(name) ?? pins.openMap(name);
    if (fd === undefined) {
      object.resizeMap(name, pins.shapes[name].entries);
      fresh.push(name);
    } else {
      fds.set(name, fd);
      object.reuseMap(name, fd);
    }
  }
  return fresh;
}

/** As many copies as `flows` has entries, shared out among the CPUs. They go with their programs, so nothing of them is pinned. */
function sizeFlowCache(object: BpfObject, flows: number): void {
  const cpus = possibleCpus();
  const lines = Math.ceil(flows / COPIES_OF_A_LINE / cpus);
  object.resizeMap(FLOW_CACHE, lines * cpus);
  object.setConstant(FLOW_CACHE_LINES, lines);
}

function pinMap(name: MapName, object: BpfObject, { pins, fds }: LoadedPrograms): void {
  pins.pinMap(name, object.mapFd(name));
  const fd = pins.openMap(name);
  if (fd === undefined) throw new KernelError(`map ${name} vanished right after it was pinned`);
  fds.set(name, fd);
}

/** What is pinned stays. */
export function letGo({ objects, fds }: LoadedPrograms): void {
  for (const object of objects.splice(0)) object.close();
  for (const fd of fds.values()) close(fd);
  fds.clear();
}
