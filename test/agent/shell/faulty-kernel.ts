// SPDX-License-Identifier: Apache-2.0
// The model kernel behind the agent's kernel interface, with failures and tampering at the test's command.

import { driftOf, driftTotal } from "../../../agent/core/drift.ts";
import type { KernelMirror } from "../../../agent/core/kernel-mirror.ts";
import type { Capacity, Kernel, KernelState, NodeNetwork, Operation } from "../../../agent/core/operation.ts";
import type { Steps } from "../../../agent/core/steps.ts";
import { ModelKernel } from "../core/model-kernel.ts";

class KernelFailure extends Error {
  readonly errno = 7;
}

export class FaultyKernel implements Kernel {
  readonly capacity: Capacity;
  readonly model: ModelKernel;
  readonly applied: Operation[] = [];
  readonly configured: NodeNetwork[] = [];
  attachments = 0;
  detached = false;
  /** Refuses the operations for which it returns true. */
  refuses: (operation: Operation) => boolean = () => false;
  readsFail = false;
  attachFails = false;

  constructor(capacity: Capacity = { frontends: 100, selections: 100, arena: 512, backends: 100, sourceRanges: 100 }) {
    this.capacity = capacity;
    this.model = new ModelKernel(capacity);
  }

  read(): KernelState {
    if (this.readsFail) throw new KernelFailure("frontends: cannot be read");
    return this.model.read();
  }

  *holds(state: KernelState): Steps<boolean> {
    yield;
    return driftTotal(driftOf(state as KernelMirror, this.read())) === 0;
  }

  apply(operation: Operation): void {
    if (this.refuses(operation)) throw new KernelFailure(`${operation.kind}: E2BIG`);
    this.model.apply(operation);
    this.applied.push(operation);
  }

  configure(network: NodeNetwork): number {
    this.configured.push(network);
    return 1;
  }

  attach(): { attached: string[]; kept: string[] } {
    if (this.attachFails) throw new KernelFailure("cannot attach");
    const attached = this.attachments === 0 || this.detached ? ["eth0"] : [];
    this.attachments++;
    this.detached = false;
    return { attached, kept: [] };
  }

  counters(): Readonly<Record<string, bigint>> {
    return {};
  }

  close(): void {}
}
