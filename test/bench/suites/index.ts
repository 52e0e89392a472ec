// SPDX-License-Identifier: Apache-2.0
// All suites, in the order in which they run.
import type { Suite } from "../suite.ts";
import { connectSuite } from "./connect.ts";
import { controlSuite } from "./control.ts";
import { forwardingSuite } from "./forwarding.ts";
import { lossesSuite } from "./losses.ts";
import { programsSuite } from "./programs.ts";
import { sourcesSuite } from "./sources.ts";

export const suites: readonly Suite[] = [
  programsSuite,
  connectSuite,
  controlSuite,
  forwardingSuite,
  lossesSuite,
  sourcesSuite,
];
