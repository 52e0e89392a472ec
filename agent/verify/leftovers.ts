// SPDX-License-Identifier: Apache-2.0
// Decides which verification namespaces are leftovers: made by a run that is over, however it ended.
import type { V1Namespace } from "@kubernetes/client-node";
import { EXPIRES_ANNOTATION, OWNER_ANNOTATION } from "./objects.ts";

/** A process on some machine: `machine` tells one process-number space from every other. */
export interface Owner {
  readonly machine: string;
  readonly pid: number;
}

export const formatOwner = ({ machine, pid }: Owner): string => `${machine}/${pid}`;

const parseOwner = (text: string): Owner | undefined => {
  const parts = /^(.+)\/(\d+)$/.exec(text);
  return parts === null ? undefined : { machine: parts[1] ?? "", pid: Number(parts[2]) };
};

/** True when its time is over, or when the process that made it ran on this machine and is gone. */
export const isLeftover = (
  { metadata }: V1Namespace,
  self: Owner,
  now: Date,
  isAlive: (pid: number) => boolean,
): boolean => {
  const expires = Date.parse(metadata?.annotations?.[EXPIRES_ANNOTATION] ?? "");
  if (Number.isNaN(expires) || expires <= now.getTime()) return true;
  const owner = parseOwner(metadata?.annotations?.[OWNER_ANNOTATION] ?? "");
  return owner !== undefined && owner.machine === self.machine && (owner.pid === self.pid || !isAlive(owner.pid));
};
