// SPDX-License-Identifier: Apache-2.0
// The datapath in this machine's kernel: pinned maps and programs, as the `Kernel` that the core plans for.
import type { Capacity, Kernel, KernelState, NodeNetwork, Operation } from "../../core/operation.ts";
import { KernelError } from "./kernel-error.ts";

/** Sizes of all maps; those of `Capacity` hold Services, the others hold flows. */
export interface MapSizes extends Capacity {
  /** Translations of packets at the node's devices, two for each flow. */
  readonly flows: number;
  /** Translations of sockets: one for each TCP connection, two for each UDP socket and frontend. */
  readonly socketFlows: number;
}

export interface DatapathOptions {
  /** A mounted bpffs; everything is pinned in `<bpfRoot>/sansproxy`. */
  readonly bpfRoot: string;
  /** The cgroup root as mounted: cgroup2 itself, or a hybrid tree with cgroup2 at `<cgroupRoot>/unified`. */
  readonly cgroupRoot: string;
  /** The folder of the compiled `*.bpf.o`. */
  readonly objectsDir: string;
  /** Sizes that differ from the defaults. */
  readonly sizes?: Partial<MapSizes>;
}

/**
 * Opens or makes the pinned maps and loads the programs when constructed, and changes nothing that packets see before
 * `attach`. Call `attach` after the first full sync: until then the programs of an earlier run serve on.
 */
export class Datapath implements Kernel {
  readonly capacity: Capacity;

  constructor(options: DatapathOptions) {
    throw new KernelError(`the datapath at ${options.bpfRoot} cannot be opened: not written yet`);
  }

  read(): KernelState {
    throw new KernelError("not written yet");
  }

  apply(operation: Operation): void {
    throw new KernelError(`${operation.kind}: not written yet`);
  }

  configure(network: NodeNetwork): number {
    throw new KernelError(`configure for ${network.masqueradeAddress}: not written yet`);
  }

  attach(devices: readonly string[]): { readonly attached: readonly string[]; readonly kept: readonly string[] } {
    throw new KernelError(`attach to ${devices.join(", ")}: not written yet`);
  }

  counters(): Readonly<Record<string, bigint>> {
    throw new KernelError("not written yet");
  }

  close(): void {
    throw new KernelError("not written yet");
  }
}
