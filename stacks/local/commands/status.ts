// SPDX-License-Identifier: Apache-2.0
// `status`: says which machines of the stack run and where its kubeconfig is, without changing anything.

import { existsSync } from "node:fs";
import { clone } from "../host/paths.ts";
import { listMachines } from "../machines/machine.ts";
import { bridgesOf } from "../machines/network.ts";
import { stackExists, stackName } from "./workspace.ts";

export async function status(): Promise<number> {
  const machines = await listMachines(stackName);
  const bridges = await bridgesOf(stackName);
  const lines = [`stack ${stackName}: ${stackExists() ? "Pulumi has its state" : "Pulumi has no state of it"}`];
  lines.push(`bridge: ${bridges.join(", ") || "none"}`);
  if (machines.length === 0) lines.push("machines: none");
  for (const { name, address, running } of machines) {
    lines.push(`machine ${name} (${address}): ${running ? "running" : "stopped"}`);
  }
  lines.push(`kubeconfig: ${existsSync(clone.kubeconfig) ? clone.kubeconfig : "none"}`);
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}
