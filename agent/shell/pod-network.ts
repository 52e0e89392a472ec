// SPDX-License-Identifier: Apache-2.0
// Writes the CNI configuration that gives this node's pods their addresses from the Node's own podCIDRs.

import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { familyOf } from "../core/ip-address.ts";
import { errorText } from "./log.ts";

export const CONFLIST_NAME = "05-sansproxy.conflist";
export const CNI_PLUGINS = ["ptp", "host-local"] as const;

export interface PodNetworkOptions {
  /** Folder that the container runtime reads, such as `/etc/cni/net.d`. */
  readonly confPath: string;
  readonly mtu: number;
}

/** Each pod has a veth pair of its own with a host route; no bridge, no masquerade, no iptables. */
function conflist(podCidrs: readonly string[], mtu: number): string {
  const defaults = new Set(podCidrs.map((cidr) => (familyOf(cidr) === 6 ? "::/0" : "0.0.0.0/0")));
  const configuration = {
    cniVersion: "1.0.0",
    name: "sansproxy",
    plugins: [
      {
        type: "ptp",
        mtu,
        ipMasq: false,
        ipam: {
          type: "host-local",
          ranges: podCidrs.map((subnet) => [{ subnet }]),
          routes: [...defaults].map((dst) => ({ dst })),
        },
      },
    ],
  };
  return `${JSON.stringify(configuration, null, 2)}\n`;
}

/** Makes the file say this, in one atomic step; true when it had to be written. */
export async function installPodNetwork(podCidrs: readonly string[], options: PodNetworkOptions): Promise<boolean> {
  const path = join(options.confPath, CONFLIST_NAME);
  const wanted = conflist(podCidrs, options.mtu);
  if ((await readIfPresent(path)) === wanted) return false;
  const draft = join(options.confPath, `.${CONFLIST_NAME}.new`);
  try {
    await writeFile(draft, wanted, { mode: 0o644 });
    await rename(draft, path);
  } catch (error) {
    throw new Error(
      `cannot write the CNI configuration ${path}: ${errorText(error)}; mount the host's ${options.confPath} writable`,
    );
  }
  return true;
}

/** Removes what an earlier run with `cni.install` wrote; true when there was something. */
export async function removePodNetwork(confPath: string): Promise<boolean> {
  const path = join(confPath, CONFLIST_NAME);
  if ((await readIfPresent(path)) === undefined) return false;
  await rm(path, { force: true });
  return true;
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Error(`cannot read the CNI configuration ${path}: ${errorText(error)}`);
  }
}
