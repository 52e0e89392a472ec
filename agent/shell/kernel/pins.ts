// SPDX-License-Identifier: Apache-2.0
// Our folder on the bpffs: which maps, programs and links are pinned there, and adopting maps that already are.
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, statfsSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { type MapEntries, type MapName, type MapShape, mapFolders, mapShapes } from "../../maps/map-table.ts";
import { KernelError } from "./kernel-error.ts";
import { mapInfo } from "./object-info.ts";
import { close, openPinned, pin } from "./syscall.ts";

const BPFFS_MAGIC = 0xcafe4a11;

export function requireBpffs(path: string): void {
  if (existsSync(path) && statfsSync(path).type === BPFFS_MAGIC) return;
  throw new KernelError(`${path} is not a bpffs; mount one there: mount -t bpf bpf ${path}`);
}

/** One tree of pins: `maps` in a folder for each group, `programs` and `links` flat. */
export class Pins {
  readonly #root: string;
  readonly #folders: Readonly<Record<MapName, string>>;
  readonly #shapes: Readonly<Record<MapName, MapShape>>;

  constructor(bpfRoot: string, sizes: MapEntries) {
    requireBpffs(bpfRoot);
    this.#root = join(bpfRoot, "sansproxy");
    this.#folders = mapFolders(sizes);
    this.#shapes = mapShapes(sizes);
    for (const folder of ["programs", "links", ...new Set(Object.values(this.#folders))]) {
      mkdirSync(join(this.#root, folder), { recursive: true, mode: 0o700 });
    }
  }

  get shapes(): Readonly<Record<MapName, MapShape>> {
    return this.#shapes;
  }

  /** Whether both have this map in the same place, so that it is one and the same. */
  shares(name: MapName, other: Pins): boolean {
    return this.#mapPath(name) === other.#mapPath(name);
  }

  #mapPath(name: MapName): string {
    return join(this.#root, this.#folders[name], name);
  }

  programPath(name: string): string {
    return join(this.#root, "programs", name);
  }

  /** bpffs allows no dots, which device names have. */
  linkPath(name: string): string {
    return join(this.#root, "links", name.replaceAll(".", "%2e"));
  }

  programNames(): string[] {
    return readdirSync(join(this.#root, "programs"));
  }

  linkNames(): string[] {
    return readdirSync(join(this.#root, "links")).map((name) => name.replaceAll("%2e", "."));
  }

  /** A descriptor of the pinned map, or undefined; refuses one of another shape than the programs expect. */
  openMap(name: MapName): number | undefined {
    const path = this.#mapPath(name);
    const fd = openPinned(path);
    if (fd === undefined) return undefined;
    const found = mapInfo(`map ${path}`, fd);
    const wanted = this.#shapes[name];
    for (const part of ["type", "keyBytes", "valueBytes", "flags", "entries"] as const) {
      if (found[part] === wanted[part]) continue;
      close(fd);
      throw new KernelError(
        `the pinned map ${path} has ${part} ${found[part]} where ${wanted[part]} is expected: ` +
          `another program made it, or its layout changed without a new version; remove it to start with an empty one`,
      );
    }
    return fd;
  }

  /** Of all maps that are pinned. */
  mapIds(): Set<number> {
    const ids = new Set<number>();
    for (const name of Object.keys(this.#shapes) as MapName[]) {
      const fd = this.openMap(name);
      if (fd === undefined) continue;
      ids.add(mapInfo(`map ${this.#mapPath(name)}`, fd).id);
      close(fd);
    }
    return ids;
  }

  pinMap(name: MapName, fd: number): void {
    pin(fd, this.#mapPath(name));
  }

  /** Pins a program under its name, in place of an earlier one. */
  pinProgram(name: string, fd: number): void {
    const path = this.programPath(name);
    const fresh = `${path}~`;
    if (existsSync(fresh)) unlinkSync(fresh);
    pin(fd, fresh);
    renameSync(fresh, path);
  }

  unpin(path: string): void {
    unlinkSync(path);
  }

  /** Lets go of the maps of other sizes and versions, once no program of ours uses them. */
  removeOtherFolders(): string[] {
    const kept = new Set(["programs", "links", ...Object.values(this.#folders)]);
    const removed: string[] = [];
    for (const folder of readdirSync(this.#root)) {
      if (kept.has(folder)) continue;
      const path = join(this.#root, folder);
      for (const name of readdirSync(path)) unlinkSync(join(path, name));
      rmdirSync(path);
      removed.push(folder);
    }
    return removed;
  }
}
