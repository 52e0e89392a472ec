// SPDX-License-Identifier: Apache-2.0
// Programs at their hooks, by pinned links: what is right already is kept, another program is swapped in one step.
import { closeSync, openSync } from "node:fs";
import type { Acceleration } from "../../core/acceleration.ts";
import { DRIVER_MODE, unsuitable, XDP } from "./acceleration.ts";
import { cgroupId } from "./cgroup.ts";
import { deviceIndex } from "./device-facts.ts";
import { KernelError } from "./kernel-error.ts";
import { linkInfo, type ProgramInfo, programInfo } from "./object-info.ts";
import type { Pins } from "./pins.ts";
import { close, linkCreate, linkDetach, linkUpdate, openPinned, pin } from "./syscall.ts";

/** `enum bpf_attach_type` of each program. */
type Hooks = Readonly<Record<string, number>>;

const cgroupHooks: Hooks = {
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
const nodeHooks: Hooks = { node_ingress: INGRESS, node_egress: EGRESS };
/** What goes to a pod is turned back like what goes out of the node. */
const podHooks: Hooks = { pod_ingress: INGRESS, node_egress: EGRESS };
const sctpHooks: Hooks = { sctp_from_pod: INGRESS, sctp_egress: EGRESS };
const loopbackHooks: Hooks = { sctp_to_host: INGRESS, sctp_egress: EGRESS };

const XDP_PROGRAM = "node_xdp";

/** Network devices by what is behind them. */
export interface Devices {
  /** Outward devices of the node. */
  readonly node: readonly string[];
  /** The host's ends of pods whose sockets are not translated. */
  readonly pods: readonly string[];
  /** Those of other pods that may ask Services by SCTP. */
  readonly sctp: readonly string[];
  /** The loopback device, while the node itself may. */
  readonly loopback: readonly string[];
  /** For the node's. */
  readonly acceleration: Acceleration;
}

export interface Attached {
  /** Links that were made, or given another program. */
  readonly attached: string[];
  readonly kept: string[];
  /** Devices that forward by XDP, and their indices. */
  readonly accelerated: Map<string, number>;
  /** Devices that should and cannot: nothing else is missing there. */
  readonly refused: { readonly device: string; readonly reason: string }[];
}

interface Target {
  readonly link: string;
  /** Whether a link of this description is at the wanted place. */
  readonly matches: (info: { readonly cgroupId: bigint; readonly deviceIndex: number }) => boolean;
  readonly create: (program: number) => number;
}

function cgroupTarget(name: string, hook: number, cgroup: string): Target {
  const id = cgroupId(cgroup);
  return {
    link: name,
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
    matches: (info) => info.deviceIndex === index,
    create: (program) => linkCreate(`${name} to ${device}`, program, index, hook),
  };
}

function xdpTarget(name: string, device: string, index: number): Target {
  return {
    link: `${name}@${device}`,
    matches: (info) => info.deviceIndex === index,
    create: (program) => linkCreate(`${name} to ${device}`, program, index, XDP, DRIVER_MODE),
  };
}

/** Devices by name. */
type Indices = ReadonlyMap<string, number>;

/** Whether they do the same with the same pinned maps. What a program has for itself it would only have to fill again. */
function sameProgram(a: ProgramInfo, b: ProgramInfo, pinned: ReadonlySet<number>): boolean {
  const [ours, theirs] = [a, b].map(({ mapIds }) => mapIds.filter((id) => pinned.has(id)));
  return a.tag === b.tag && String(ours) === String(theirs);
}

/** Attaches one program everywhere it belongs, by `attach`; the pinned program is the one to keep if it is the same. */
function withProgram(pins: Pins, name: string, loaded: number, attach: (program: number, id: number) => void): void {
  const pinned = openPinned(pins.programPath(name));
  const keep =
    pinned !== undefined &&
    sameProgram(programInfo(`program ${name}`, pinned), programInfo(`program ${name}`, loaded), pins.mapIds());
  const program = keep ? pinned : loaded;
  try {
    attach(program, programInfo(`program ${name}`, program).id);
    if (!keep) pins.pinProgram(name, loaded);
  } finally {
    if (pinned !== undefined) close(pinned);
  }
}

/** Its hook is free when this returns. */
function removeLink(pins: Pins, name: string): void {
  const path = pins.linkPath(name);
  const link = openPinned(path);
  if (link === undefined) return;
  try {
    linkDetach(`link ${name}`, link);
    pins.unpin(path);
  } finally {
    close(link);
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
      linkDetach(`link ${target.link}`, existing);
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

/** Where each of the loaded programs belongs, but for XDP. */
function targetsOf(name: string, cgroup: string, places: readonly (readonly [Hooks, Indices])[]): Target[] {
  const targets: Target[] = [];
  const cgroupHook = cgroupHooks[name];
  if (cgroupHook !== undefined) targets.push(cgroupTarget(name, cgroupHook, cgroup));
  for (const [hooks, indices] of places) {
    const hook = hooks[name];
    if (hook === undefined) continue;
    for (const [device, index] of indices) targets.push(deviceTarget(name, hook, device, index));
  }
  return targets;
}

/** Where a device cannot, all is served by tc; no earlier link is left there with a program of other maps. */
function accelerate(pins: Pins, loaded: number, mode: Acceleration, devices: Indices, result: Attached): void {
  withProgram(pins, XDP_PROGRAM, loaded, (program, id) => {
    for (const [device, index] of devices) {
      const target = xdpTarget(XDP_PROGRAM, device, index);
      try {
        const reason = unsuitable(mode, device);
        if (reason !== undefined) throw new KernelError(reason);
        result[attachLink(pins, target, program, id) ? "attached" : "kept"].push(target.link);
        result.accelerated.set(device, index);
      } catch (error) {
        if (!(error instanceof KernelError)) throw error;
        result.refused.push({ device, reason: error.message });
      }
    }
  });
}

/** Brings every hook to the loaded programs; links of devices that are not listed any more are let go. */
export function attachAll(
  pins: Pins,
  programs: ReadonlyMap<string, number>,
  cgroup: string,
  { node, pods, sctp, loopback, acceleration }: Devices,
): Attached {
  const result: Attached = { attached: [], kept: [], accelerated: new Map(), refused: [] };
  const indexed = (names: readonly string[]): Indices => new Map(names.map((device) => [device, deviceIndex(device)]));
  const nodeIndices = indexed(node);
  const places = [
    [nodeHooks, nodeIndices],
    [podHooks, indexed(pods)],
    [sctpHooks, indexed(sctp)],
    [loopbackHooks, indexed(loopback)],
  ] as const;
  for (const [name, loaded] of programs) {
    if (name === XDP_PROGRAM) continue;
    const targets = targetsOf(name, cgroup, places);
    withProgram(pins, name, loaded, (program, id) => {
      for (const target of targets)
        result[attachLink(pins, target, program, id) ? "attached" : "kept"].push(target.link);
    });
  }
  const xdp = programs.get(XDP_PROGRAM);
  if (xdp !== undefined) accelerate(pins, xdp, acceleration, nodeIndices, result);
  const wanted = new Set([...result.attached, ...result.kept]);
  for (const link of pins.linkNames()) if (!wanted.has(link)) removeLink(pins, link);
  for (const name of pins.programNames()) if (!programs.has(name)) pins.unpin(pins.programPath(name));
  return result;
}
