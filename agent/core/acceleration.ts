// SPDX-License-Identifier: Apache-2.0
// Where packets that only pass the node are forwarded: before there is a socket buffer (XDP), and on which devices.

/**
 * `native`: every outward device must run XDP in its driver. `best-effort`: those that can do. What is not accelerated is
 * served by tc. There is no generic mode: it copies packets, and what it copied reaches tc with wrong offsets (seen on 6.18).
 */
export const accelerations = ["disabled", "native", "best-effort"] as const;

export type Acceleration = (typeof accelerations)[number];

export const isAcceleration = (text: string): text is Acceleration => accelerations.some((each) => each === text);

export interface AccelerationState {
  readonly mode: Acceleration;
  /** Devices that forward by XDP. */
  readonly devices: readonly string[];
  /** Devices that should and cannot. */
  readonly refused: readonly { readonly device: string; readonly reason: string }[];
}
