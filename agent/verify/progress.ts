// SPDX-License-Identifier: Apache-2.0
// Says what a run is doing, a line when something changes and a sign of life while nothing does.

export type Progress = (message: string) => void;

const SIGN_OF_LIFE_MS = 30_000;

/** Repeats of one message are dropped until it has been silent for a while; then they carry the time waited. */
export const createProgress = (
  write: (line: string) => void,
  now: () => number = () => performance.now(),
): Progress => {
  const started = now();
  let lastMessage = "";
  let lastWritten = Number.NEGATIVE_INFINITY;
  return (message) => {
    const at = now();
    if (message === lastMessage && at - lastWritten < SIGN_OF_LIFE_MS) return;
    const elapsed = Math.round((at - started) / 1000);
    write(`verify: ${message === lastMessage ? `still ${message} (${elapsed} s)` : message}\n`);
    lastMessage = message;
    lastWritten = at;
  };
};
