// SPDX-License-Identifier: Apache-2.0
// Finds what this machine has made for a Pod: the host's end of its network device, and its cgroup below the kubelet's.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseIp } from "../core/ip-address.ts";
import type { PodWithDevice } from "../core/socket-bypass.ts";
import { type RunIp, runIp } from "./run-ip.ts";

export interface Sandbox {
  readonly device: string;
  /** Folder of the Pod's cgroup2. */
  readonly cgroup: string;
}

/** Names of the folders between the cgroup root and a Pod's: of the kubelet's own root, `kubepods`, and the QoS classes. */
const ON_THE_WAY = /^(kubelet|kubepods|burstable$|besteffort$)/;
const DEEPEST = 5;

/**
 * The folder of a Pod's cgroup, whichever driver the kubelet uses: `kubepods/burstable/pod<uid>` (cgroupfs), or
 * `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid with underscores>.slice` (systemd).
 */
export function findPodCgroup(cgroup2: string, uid: string): string | undefined {
  const ofCgroupfs = `pod${uid}`;
  const ofSystemd = `-pod${uid.replaceAll("-", "_")}.slice`;
  const search = (folder: string, depth: number): string | undefined => {
    const names = foldersIn(folder);
    const found = names.find((name) => name === ofCgroupfs || name.endsWith(ofSystemd));
    if (found !== undefined) return join(folder, found);
    if (depth === DEEPEST) return undefined;
    for (const name of names) {
      const below = ON_THE_WAY.test(name) && !name.includes("-pod") ? search(join(folder, name), depth + 1) : undefined;
      if (below !== undefined) return below;
    }
    return undefined;
  };
  return search(cgroup2, 1);
}

/** Pods come and go while we look: a folder that has gone has nothing in it. */
function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (error) {
    if (["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}

/** Of what `ip -j route get` prints. */
interface Route {
  readonly dst: string;
  readonly dev: string;
  readonly gateway?: string;
}

/** By the address in its canonical text; nothing for one that is none, or leads nowhere. All are asked of one process. */
async function routesTo(ips: readonly string[], run: RunIp): Promise<ReadonlyMap<string, Route>> {
  const addresses = ips.flatMap((ip) => parseIp(ip)?.text ?? []);
  const printed = await run(
    ["-j"],
    addresses.map((address) => `route get ${address}`),
  );
  const answers = printed.split("\n").filter((line) => line.trim() !== "");
  const routes = answers.flatMap((line) => JSON.parse(line) as Route[]);
  return new Map(routes.map((route) => [parseIp(route.dst)?.text ?? route.dst, route]));
}

/** The device by which this machine reaches a Pod's address. Throws when that leads out of the machine, or nowhere. */
function deviceTo(ip: string, routes: ReadonlyMap<string, Route>, nodeDevices: readonly string[]): string {
  const route = routes.get(parseIp(ip)?.text ?? ip);
  if (route === undefined) throw new Error(`there is no route to ${ip}`);
  const { dev, gateway } = route;
  if (gateway !== undefined || nodeDevices.includes(dev) || dev === "lo")
    throw new Error(`the route to ${ip} is by ${dev}${gateway ? ` and ${gateway}` : ""}, which is no device of a Pod`);
  return dev;
}

/** The one device of all its addresses. Throws with what is missing. */
function deviceOf({ ips }: PodWithDevice, routes: ReadonlyMap<string, Route>, nodeDevices: readonly string[]): string {
  const devices = new Set(ips.map((ip) => deviceTo(ip, routes, nodeDevices)));
  const [device, ...others] = devices;
  if (device === undefined || others.length > 0)
    throw new Error(`its addresses are behind ${devices.size} devices, and one is needed`);
  return device;
}

/** The device of each of these Pods, or what is missing. */
export function findDevices(
  pods: readonly PodWithDevice[],
  nodeDevices: readonly string[],
  run: RunIp = runIp,
): Promise<PromiseSettledResult<string>[]> {
  const routes = routesTo(
    pods.flatMap(({ ips }) => ips),
    run,
  );
  return Promise.allSettled(pods.map(async (pod) => deviceOf(pod, await routes, nodeDevices)));
}

/** Throws with what is missing. */
export async function findSandbox(
  pod: PodWithDevice,
  { cgroup2, nodeDevices, run }: { readonly cgroup2: string; readonly nodeDevices: readonly string[]; run?: RunIp },
): Promise<Sandbox> {
  const cgroup = findPodCgroup(cgroup2, pod.uid);
  if (cgroup === undefined) throw new Error(`there is no cgroup2 for it below ${cgroup2}`);
  return { device: deviceOf(pod, await routesTo(pod.ips, run ?? runIp), nodeDevices), cgroup };
}
