// SPDX-License-Identifier: Apache-2.0
// Has the JavaScript engine spend time to keep the heap small, once there is no hurry any more.

import { setFlagsFromString } from "node:v8";

/** For good. While the first lists are read it would cost half as much time again; afterwards little is made or thrown away. */
export function preferSmallHeap(): void {
  setFlagsFromString("--optimize-for-size");
}
