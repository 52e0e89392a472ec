// SPDX-License-Identifier: Apache-2.0
// libbpf's loader: opens a compiled object, gives it our maps, and loads its programs.
import koffi, { type LibraryHandle } from "koffi";
import type { MapShape } from "../../maps/map-table.ts";
import { KernelError } from "./kernel-error.ts";

type Pointer = bigint | null;

function loadLibrary(): LibraryHandle {
  try {
    return koffi.load("libbpf.so.1");
  } catch (cause) {
    throw new KernelError(`libbpf.so.1 cannot be loaded (${String(cause)}); install the package libbpf1`);
  }
}

const lib = loadLibrary();
const libc = koffi.load("libc.so.6");
const formatInto = libc.func("int vsnprintf(char *to, size_t size, const char *format, void *list)");
const printProto = koffi.proto("int libbpf_print_fn_t(int level, void *format, void *list)");
const setPrint = lib.func("void *libbpf_set_print(libbpf_print_fn_t *fn)");
const objectOpen = lib.func("void *bpf_object__open_file(const char *path, void *options)");
const objectLoad = lib.func("int bpf_object__load(void *object)");
const objectClose = lib.func("void bpf_object__close(void *object)");
const nextMap = lib.func("void *bpf_object__next_map(void *object, void *map)");
const mapName = lib.func("const char *bpf_map__name(void *map)");
const mapFd = lib.func("int bpf_map__fd(void *map)");
const mapType = lib.func("int bpf_map__type(void *map)");
const mapKeySize = lib.func("unsigned int bpf_map__key_size(void *map)");
const mapValueSize = lib.func("unsigned int bpf_map__value_size(void *map)");
const mapFlags = lib.func("unsigned int bpf_map__map_flags(void *map)");
const mapEntries = lib.func("unsigned int bpf_map__max_entries(void *map)");
const mapSetEntries = lib.func("int bpf_map__set_max_entries(void *map, unsigned int entries)");
const mapSetInitial = lib.func("int bpf_map__set_initial_value(void *map, const void *data, size_t size)");
const mapReuse = lib.func("int bpf_map__reuse_fd(void *map, int fd)");
const nextProgram = lib.func("void *bpf_object__next_program(void *object, void *program)");
const programName = lib.func("const char *bpf_program__name(void *program)");
const programFd = lib.func("int bpf_program__fd(void *program)");

const KEPT_LINES = 60;
const LEVEL_DEBUG = 2;
let lines: string[] = [];

const printer = koffi.register((level: number, format: bigint, list: bigint): number => {
  if (level >= LEVEL_DEBUG) return 0;
  const text = Buffer.alloc(65_536);
  const length = Number(formatInto(text, text.length, format, list));
  lines.push(text.toString("utf8", 0, Math.min(length, text.length - 1)).trimEnd());
  lines = lines.slice(-KEPT_LINES);
  return 0;
}, koffi.pointer(printProto));
setPrint(printer);

function call<T>(what: string, run: () => T, failed: (result: T) => boolean): T {
  lines = [];
  const result = run();
  if (!failed(result)) return result;
  const errno = koffi.errno();
  throw KernelError.from(`${what}${lines.length === 0 ? "" : ` (libbpf: ${lines.join("\n")})`}`, errno);
}

/** A compiled object: `maps` are known once it is open, descriptors once it is loaded. */
export class BpfObject {
  readonly #path: string;
  #object: Pointer;

  constructor(path: string) {
    this.#path = path;
    this.#object = call(
      `opening ${path}`,
      () => objectOpen(path, null) as Pointer,
      (object) => object === null,
    );
  }

  *#maps(): Iterable<{ name: string; map: Pointer }> {
    for (let map = nextMap(this.#object, null) as Pointer; map !== null; map = nextMap(this.#object, map) as Pointer) {
      yield { name: mapName(map) as string, map };
    }
  }

  #map(name: string): Pointer {
    for (const found of this.#maps()) if (found.name === name) return found.map;
    throw new KernelError(`${this.#path} has no map ${name}: it was built from other sources; run npm run build:bpf`);
  }

  /** The shape of every map that the object declares. */
  maps(): ReadonlyMap<string, MapShape> {
    return new Map(
      [...this.#maps()].map(({ name, map }) => [
        name,
        {
          type: mapType(map) as number,
          keyBytes: mapKeySize(map) as number,
          valueBytes: mapValueSize(map) as number,
          flags: mapFlags(map) as number,
          entries: mapEntries(map) as number,
        },
      ]),
    );
  }

  /** Uses an existing map instead of making one; the object keeps a descriptor of its own. */
  reuseMap(name: string, fd: number): void {
    const map = this.#map(name);
    call(
      `giving map ${name} to ${this.#path}`,
      () => mapReuse(map, fd) as number,
      (result) => result < 0,
    );
  }

  resizeMap(name: string, entries: number): void {
    const map = this.#map(name);
    call(
      `sizing map ${name} to ${entries} entries`,
      () => mapSetEntries(map, entries) as number,
      (result) => result < 0,
    );
  }

  /** Of a constant that has a section of its own, before the object is loaded. */
  setConstant(section: string, value: number): void {
    const map = this.#map(section);
    const data = Buffer.alloc(4);
    data.writeUInt32LE(value, 0);
    call(
      `setting the constant in ${section} to ${value}`,
      () => mapSetInitial(map, data, data.length) as number,
      (result) => result < 0,
    );
  }

  /** Makes the maps that were not given, and has every program verified. */
  load(): void {
    call(
      `loading ${this.#path}`,
      () => objectLoad(this.#object) as number,
      (result) => result < 0,
    );
  }

  /**
   * The same on another thread, and nothing else may be done with the object meanwhile. What libbpf says of a refusal is not
   * heard there.
   */
  async loadBeside(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    setPrint(null);
    objectLoad.async(this.#object, (error: Error | null, result: number) => (error ? reject(error) : resolve(result)));
    const result = await promise.finally(() => setPrint(printer));
    if (result < 0) throw KernelError.from(`loading ${this.#path}`, -result);
  }

  /** Valid until `close`. */
  mapFd(name: string): number {
    return mapFd(this.#map(name)) as number;
  }

  /** Descriptors of the loaded programs by name, valid until `close`. */
  programs(): ReadonlyMap<string, number> {
    const programs = new Map<string, number>();
    for (
      let program = nextProgram(this.#object, null) as Pointer;
      program !== null;
      program = nextProgram(this.#object, program) as Pointer
    ) {
      programs.set(programName(program) as string, programFd(program) as number);
    }
    return programs;
  }

  close(): void {
    if (this.#object !== null) objectClose(this.#object);
    this.#object = null;
  }
}
