// SPDX-License-Identifier: Apache-2.0
// Decides which Pods of this node have their sockets left alone, so that their packets are served at the host's end of their
// device: because their sockets are not this kernel's, or others want to see their connections.

import { objectKey, type Pod, SOCKET_LB_ANNOTATION } from "./kubernetes-objects.ts";
import type { Problem } from "./problem.ts";

/** A Pod that has a device, where its packets can be served. */
export interface PodWithDevice {
  /** `namespace/name`. */
  readonly name: string;
  readonly uid: string;
  readonly ips: readonly string[];
}

/**
 * The annotation decides where a Pod has it, otherwise its RuntimeClass. A Pod without addresses has no device yet: its
 * next change asks again. Sorted by name.
 */
export function bypassingPods(
  pods: Iterable<Pod>,
  runtimeClasses: readonly string[],
  problems: Problem[],
): PodWithDevice[] {
  const bypassing: PodWithDevice[] = [];
  for (const pod of pods) {
    if (!asksForBypass(pod, runtimeClasses, problems)) continue;
    if (!pod.hasOwnNetwork) {
      problems.push(problem(pod, "it has no device of its own, where its packets could be served instead; remove it"));
    } else if (pod.podIps.length > 0) {
      bypassing.push(withDevice(pod));
    }
  }
  return bypassing.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The others: their sockets are translated, which is not enough for SCTP. A Pod on its way out may have lost its device. */
export function translatedPods(pods: Iterable<Pod>, bypassing: readonly PodWithDevice[]): PodWithDevice[] {
  const without = new Set(bypassing.map(({ uid }) => uid));
  return [...pods]
    .filter((pod) => pod.hasOwnNetwork && !pod.deleting && pod.podIps.length > 0 && !without.has(pod.uid))
    .map(withDevice);
}

const withDevice = (pod: Pod): PodWithDevice => ({ name: objectKey(pod), uid: pod.uid, ips: pod.podIps });

function asksForBypass(pod: Pod, runtimeClasses: readonly string[], problems: Problem[]): boolean {
  if (pod.socketLb === "false") return true;
  if (pod.socketLb === "true") return false;
  if (pod.socketLb !== "")
    problems.push(problem(pod, `"${pod.socketLb}" is neither "true" nor "false"; write one of them`));
  return pod.runtimeClassName !== "" && runtimeClasses.includes(pod.runtimeClassName);
}

const problem = (pod: Pod, why: string): Problem => ({
  service: `pod/${objectKey(pod)}`,
  reason: "SocketLbBypass",
  message: `Pod ${objectKey(pod)}: its annotation ${SOCKET_LB_ANNOTATION} has no effect, because ${why}.`,
});
