// SPDX-License-Identifier: Apache-2.0
// The local machines and their network as resources of the update: made before the cluster, deleted after it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { local } from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { ipv6Subnet, type MachinePlan, type Settings } from "./settings.ts";

/** A machine that can be reached. */
export interface MachineHost {
  readonly plan: MachinePlan;
  /** Its public SSH key, known when it has been made. */
  readonly hostKey: pulumi.Output<string>;
}

const projectRoot = join(import.meta.dirname, "..", "..");

/**
 * After a restart of the box this is another one, so that the update starts the machines again with their disks as they
 * were. A trigger would replace them: new ones first, and then these away.
 */
function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function machinesCommand(verb: string): string {
  return `node stacks/local/machines/cli.ts ${verb}`;
}

/** Makes the bridge and the machines. */
export function machineResources(
  stack: string,
  settings: Settings,
  plans: readonly MachinePlan[],
  authorizedKey: string,
): MachineHost[] {
  const ipv6 = settings.dualStack ? { ipv6Cidr: ipv6Subnet(settings) } : {};
  const bridge = { name: settings.bridge, cidr: settings.subnet, ...ipv6 };
  const common = { dir: projectRoot, environment: { BOOT_ID: bootId() }, addPreviousOutputInEnv: false };
  const network = new local.Command("network", {
    ...common,
    create: machinesCommand("network-create"),
    update: machinesCommand("network-create"),
    delete: machinesCommand("network-delete"),
    stdin: JSON.stringify({ stack, bridge }),
  });
  return plans.map((plan) => {
    const { name, address, ipv6Address, memoryMb } = plan;
    const machine = new local.Command(
      `machine-${name}`,
      {
        ...common,
        create: machinesCommand("create"),
        update: machinesCommand("create"),
        delete: machinesCommand("delete"),
        stdin: JSON.stringify({ stack, name, address, ipv6Address, memoryMb, authorizedKey, bridge }),
        logging: local.Logging.Stderr,
      },
      { dependsOn: [network] },
    );
    return { plan, hostKey: machine.stdout.apply((text) => readHostKey(name, text)) };
  });
}

function readHostKey(name: string, text: string): string {
  const lastLine = text.trim().split("\n").at(-1) ?? "";
  const { hostKey } = JSON.parse(lastLine) as { hostKey?: unknown };
  if (typeof hostKey === "string") return hostKey;
  throw new Error(`The machine ${name} was made without saying its SSH host key; run "npm run down" and start again.`);
}
