// SPDX-License-Identifier: Apache-2.0
// Programs at their hooks, by pinned links: what is right already is kept, another program is swapped in one step.
import { closeSync, openSync } from "node:fs";
import koffi from "koffi";
import { cgroupId } from "./cgroup.ts";
import { KernelError } from "./kernel-error.ts";
import { linkInfo, type ProgramInfo, programInfo } from "./object-info.ts";
import type { Pins } from "./pins.ts";
import { close, linkCreate, linkUpdate, openPinned, pin } from "./syscall.ts";

const ifNameToIndex = koffi.load("libc.so.6").func("unsigned int if_nametoindex(const char *name)");

/** `enum bpf_attach_type` of each program. */
const cgroupHooks: Readonly<Record<string, number>> = {
  socket_egress: 1,
  connect4: 10,
  connect6: 11,
  sendmsg4: 14,
  sendmsg6: 15,
  recvmsg4: 19,
  recvmsg6: 20,
  getpeername4: 29,
  getpeername6: 30,
  post_bind4: 12,
  post_bind6: 13,
};
const INGRESS = 46;
const EGRESS = 47;
const nodeHooks: Readonly<Record<string, number>> = { node_ingress: INGRESS, node_egress: EGRESS };
/** What goes to a pod is turned back like what goes out of the node. */
const podHooks: Readonly<Record<string, number>> = { pod_ingress: INGRESS, node_egress: EGRESS };

/** Network devices by what is behind them. */
export interface Devices {
  /** Outward devices of the node. */
  readonly node: readonly string[];
  /** The host's ends of pods whose sockets are not translated. */
  readonly pods: readonly string[];
}

export interface Attached {
  /** Links that were made, or given another program. */
  readonly attached: string[];
  readonly kept: string[];
}

interface Target {
  readonly link: string;
  readonly hook: number;
  /** Whether a link of this description is at the wanted place. */
  readonly matches: (info: { readonly cgroupId: bigint; readonly deviceIndex: number }) => boolean;
  readonly create: (program: number) => number;
}

/** As this process's network namespace names it; /sys may show another's. */
function deviceIndex(device: string): number {
  const index = ifNameToIndex(device) as number;
  if (index === 0) {
    throw new KernelError(`there is no network device ${device} to attach to; set devices to those this node has`);
  }
  return index;
}

function cgroupTarget(name: string, hook: number, cgroup: string): Target {
  const id = cgroupId(cgroup);
  return {
    link: name,
    hook,
    matches: (info) => info.cgroupId === id,
    create: (program) => {
      const directory = openSync(cgroup, "r");
      try {
        return linkCreate(`${name} to ${cgroup}`, program, directory, hook);
      } finally {
        closeSync(directory);
      }
    },
  };
}

function deviceTarget(name: string, hook: number, device: string, index: number): Target {
  return {
    link: `${name}@${device}`,
    hook,
    matches: (info) => info.deviceIndex === index,
    create: (program) => linkCreate(`${name} to ${device}`, program, index, hook),
  };
}

const sameProgram = (a: ProgramInfo, b: ProgramInfo): boolean =>
  a.tag === b.tag && a.mapIds.length === b.mapIds.length && a.mapIds.every((id, index) => id === b.mapIds[index]);

/** Attaches one program everywhere it belongs; the pinned program is the one to keep if it is the same. */
function attachProgram(pins: Pins, name: string, loaded: number, targets: readonly Target[], result: Attached): void {
  const pinned = openPinned(pins.programPath(name));
  const keep =
    pinned !== undefined && sameProgram(programInfo(`program ${name}`, pinned), programInfo(`program ${name}`, loaded));
  const program = keep ? pinned : loaded;
  try {
    const { id } = programInfo(`program ${name}`, program);
    for (const target of targets) {
      result[attachLink(pins, target, program, id) ? "attached" : "kept"].push(target.link);
    }
    if (!keep) pins.pinProgram(name, loaded);
  } finally {
    if (pinned !== undefined) close(pinned);
  }
}

/** True when something had to be changed. */
function attachLink(pins: Pins, target: Target, program: number, programId: number): boolean {
  const path = pins.linkPath(target.link);
  const existing = openPinned(path);
  if (existing !== undefined) {
    try {
      const info = linkInfo(`link ${target.link}`, existing);
      if (target.matches(info)) {
        if (info.programId === programId) return false;
        linkUpdate(target.link, existing, program);
        return true;
      }
      // Its cgroup or device is gone, and another has the name now.
      pins.unpin(path);
    } finally {
      close(existing);
    }
  }
  const link = target.create(program);
  try {
    pin(link, path);
  } finally {
    close(link);
  }
  return true;
}

/** Brings every hook to the loaded programs; links of devices that are not listed any more are let go. */
export function attachAll(
  pins: Pins,
  programs: ReadonlyMap<string, number>,
  cgroup: string,
  devices: Devices,
): Attached {
  const result: Attached = { attached: [], kept: [] };
  const indexed = (names: readonly string[]) => new Map(names.map((device) => [device, deviceIndex(device)]));
  const places = [
    { hooks: nodeHooks, indices: indexed(devices.node) },
    { hooks: podHooks, indices: indexed(devices.pods) },
  ];
  const wanted = new Set<string>();
  for (const [name, loaded] of programs) {
    const cgroupHook = cgroupHooks[name];
    const targets: Target[] = [];
    if (cgroupHook !== undefined) targets.push(cgroupTarget(name, cgroupHook, cgroup));
    for (const { hooks, indices } of places) {
      const hook = hooks[name];
      if (hook === undefined) continue;
      for (const [device, index] of indices) targets.push(deviceTarget(name, hook, device, index));
    }
    for (const target of targets) wanted.add(target.link);
    attachProgram(pins, name, loaded, targets, result);
  }
  for (const name of pins.linkNames()) if (!wanted.has(name)) pins.unpin(pins.linkPath(name));
  return result;
}
