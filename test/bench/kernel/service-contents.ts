// SPDX-License-Identifier: Apache-2.0
// What the pinned maps say of Services, without the numbers that every agent gives out as it likes: who answers where.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { backendId, type KernelState } from "../../../agent/core/operation.ts";
import type { MapName } from "../../../agent/maps/map-table.ts";
import { HashMap } from "../../../agent/shell/kernel/hash-map.ts";
import { MappedArray } from "../../../agent/shell/kernel/mapped-array.ts";
import { mapInfo } from "../../../agent/shell/kernel/object-info.ts";
import { ServiceTables } from "../../../agent/shell/kernel/service-tables.ts";
import { close, openPinned } from "../../../agent/shell/kernel/syscall.ts";

export interface ServiceContents {
  /** Of each frontend, all backends of sockets and of packets from outside, sorted. */
  readonly answers: ReadonlyMap<string, string>;
  readonly frontends: number;
  readonly backends: number;
  /** Backends of all frontends, each as often as it is one. */
  readonly endpoints: number;
}

/** Of the agent whose pins are below this bpffs. */
export function serviceContents(bpfRoot: string): ServiceContents {
  const root = join(bpfRoot, "sansproxy");
  const folders = readdirSync(root).filter((name) => name.startsWith("services_"));
  const [folder] = folders;
  if (folder === undefined || folders.length > 1)
    throw new Error(`${root} has ${folders.length} folders of Services (${folders.join(", ")}): it must have one`);
  const fds: number[] = [];
  const open = (name: MapName) => {
    const path = join(root, folder, name);
    const fd = openPinned(path);
    if (fd === undefined) throw new Error(`the pinned map ${path} vanished`);
    fds.push(fd);
    return [name, fd, mapInfo(`map ${path}`, fd)] as const;
  };
  const arrays = (["selections", "arena", "backends"] as const).map((name) => new MappedArray(...open(name)));
  const [selections, arena, backends] = arrays as [MappedArray, MappedArray, MappedArray];
  try {
    const [frontends, ranges] = [new HashMap(...open("frontends")), new HashMap(...open("source_ranges"))];
    return resolved(new ServiceTables(frontends, selections, arena, backends, ranges).read());
  } finally {
    for (const array of arrays) array.close();
    for (const fd of fds) close(fd);
  }
}

export function resolved({ frontends, selections, extents, backends }: KernelState): ServiceContents {
  const answering = (selection: number): string[] => {
    const { offset, count } = selections.get(selection) ?? { offset: 0, count: 0 };
    return (extents.get(offset) ?? []).slice(0, count).map((id) => {
      const backend = backends.get(id);
      return backend === undefined ? `no backend ${id}` : backendId(backend);
    });
  };
  const answers = new Map<string, string>();
  let endpoints = 0;
  for (const [id, { entry }] of frontends) {
    const [inside, outside] = [answering(entry.selection), answering(entry.externalSelection)];
    endpoints += inside.length;
    answers.set(id, `${inside.sort().join(" ")} | ${outside.sort().join(" ")}`);
  }
  return { answers, frontends: frontends.size, backends: backends.size, endpoints };
}

/** The first frontends in which they differ; none when both say the same. */
export function differences(a: ServiceContents, b: ServiceContents): string[] {
  const ids = new Set([...a.answers.keys(), ...b.answers.keys()]);
  return [...ids]
    .filter((id) => a.answers.get(id) !== b.answers.get(id))
    .map((id) => `${id}: ${a.answers.get(id) ?? "absent"} there, ${b.answers.get(id) ?? "absent"} here`);
}
