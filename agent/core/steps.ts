// SPDX-License-Identifier: Apache-2.0
// Long work in small pieces: it yields now and then, so that whoever drives it can let others have their turn.

export type Steps<T> = Generator<void, T>;

/** All of it at once. */
export function finish<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}
