// SPDX-License-Identifier: Apache-2.0
// Checks when the operator is told that the kernel may give a NodePort away.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { nodePortAdvice } from "../../../agent/shell/node-port-range.ts";

let root: string;
afterEach(() => rmSync(root, { recursive: true }));

const cases: [ephemeral: string, reserved: string, open: string | undefined][] = [
  ["32768\t60999", "", undefined],
  ["32767\t60999", "", "32767"],
  ["1024\t65535", "", "30000-32767"],
  ["1024\t65535", "30000-32767", undefined],
  ["1024\t65535", "8080,29000-30099,31000,32000-40000", "30100-30999,31001-31999"],
  ["31000\t32000", "9000", "31000-32000"],
];
test.each(cases)("with ephemeral ports %j and %j reserved, %s are told of", (ephemeral, reserved, open) => {
  root = mkdtempSync(join(tmpdir(), "sansproxy-sys-"));
  mkdirSync(join(root, "net/ipv4"), { recursive: true });
  writeFileSync(join(root, "net/ipv4/ip_local_port_range"), `${ephemeral}\n`);
  writeFileSync(join(root, "net/ipv4/ip_local_reserved_ports"), `${reserved}\n`);
  const advice = nodePortAdvice({ first: 30_000, last: 32_767 }, root);
  expect(/ports (\S+) of the NodePort range/.exec(advice ?? "")?.[1]).toBe(open);
});
