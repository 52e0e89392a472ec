// SPDX-License-Identifier: Apache-2.0
// What a stage says: shown at once, or held back while a stage that began before it is still speaking.

export class StageOutput {
  #held: (string | Uint8Array)[] | undefined;
  readonly #show: (part: string | Uint8Array) => void;

  constructor(isHeld: boolean, show: (part: string | Uint8Array) => void = (part) => process.stdout.write(part)) {
    this.#held = isHeld ? [] : undefined;
    this.#show = show;
  }

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  write(part: string | Uint8Array): void {
    if (this.#held === undefined) this.#show(part);
    else this.#held.push(part);
  }

  /** Shows what was held back, and from now on everything as it comes. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const part of held) this.#show(part);
  }
}
