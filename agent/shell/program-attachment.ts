// SPDX-License-Identifier: Apache-2.0
// Keeps the programs where they belong: at the cgroup root, at the node's devices, at the devices of Pods whose sockets are left
// alone, and, while there is a Service of SCTP, at those of all other Pods and the loopback device.

import { existsSync } from "node:fs";
import type { Pod, Snapshot } from "../core/kubernetes-objects.ts";
import type { Problem } from "../core/problem.ts";
import { bypassingPods, type PodWithDevice, translatedPods } from "../core/socket-bypass.ts";
import type { Datapath } from "./kernel/datapath.ts";
import { errorText, type Log } from "./log.ts";
import type { Sandbox } from "./pod-sandboxes.ts";

const LOOPBACK = "lo";

export interface AttachmentOptions {
  readonly kernel: Pick<Datapath, "bypassSockets"> & {
    attach(...to: Parameters<Datapath["attach"]>): Promise<ReturnType<Datapath["attach"]>>;
  };
  /** Outward devices of the node. */
  readonly devices: () => readonly string[];
  /** What keeps others from being among them; asked after them. */
  readonly deviceProblems: () => readonly Problem[];
  /** All devices there are. */
  readonly presentDevices: () => ReadonlySet<string>;
  /** RuntimeClasses whose Pods have their sockets left alone. */
  readonly bypassRuntimeClasses: readonly string[];
  /** How many cgroups can be left alone, once the map of them has been made larger if it may; throws when it cannot be. */
  readonly makeRoom: (cgroups: number) => Promise<number>;
  /** Throws with what is missing. */
  readonly find: (pod: PodWithDevice) => Promise<Sandbox>;
  /** The device alone, of each of these Pods whose sockets are translated, or what is missing. */
  readonly findDevices: (pods: readonly PodWithDevice[]) => Promise<readonly PromiseSettledResult<string>[]>;
  /** Says what of the devices may keep the programs from working. */
  readonly advise: (devices: readonly string[]) => void;
  readonly log: Log;
}

export interface AttachmentResult {
  /** Links that were made, or given another program. */
  readonly attached: readonly string[];
  readonly problems: readonly Problem[];
}

/** As the reconciler drives it. */
export interface Attachment {
  /**
   * After the maps were written. `again`: also what should be attached already, because others may have detached it.
   * `servesSctp`: Pods and the node may ask Services by SCTP, which no hook of sockets sees.
   */
  sync(snapshot: Snapshot, again: boolean, servesSctp: boolean): Promise<AttachmentResult>;
}

export class ProgramAttachment implements Attachment {
  readonly #options: AttachmentOptions;
  /** By Pod UID; a device keeps its programs while its Pod lives, for the flows that they have translated. */
  #sandboxes = new Map<string, Sandbox>();
  /** The same of Pods whose SCTP is served. */
  #sctpDevices = new Map<string, string>();
  #bypassed = new Set<string>();
  #appliedAs: string | undefined;

  constructor(options: AttachmentOptions) {
    this.#options = options;
  }

  async sync(snapshot: Snapshot, again: boolean, servesSctp: boolean): Promise<AttachmentResult> {
    const problems: Problem[] = [];
    const pods = [...(snapshot.pods?.objects.values() ?? [])];
    const wanted = bypassingPods(pods, this.#options.bypassRuntimeClasses, problems);
    this.#forgetGone(pods);
    for (const pod of wanted) {
      const problem = await this.#locate(pod);
      if (problem) problems.push(problem);
    }
    if (!servesSctp) this.#sctpDevices.clear();
    else problems.push(...(await this.#locateForSctp(translatedPods(pods, wanted))));
    const served = await this.#withRoom(wanted, problems);
    const attached = await this.#apply(served, again, servesSctp);
    return { attached, problems: [...problems, ...this.#options.deviceProblems()] };
  }

  #forgetGone(pods: readonly Pod[]): void {
    const alive = new Set(pods.filter((pod) => pod.hasOwnNetwork).map(({ uid }) => uid));
    const known = this.#sandboxes.size + this.#sctpDevices.size;
    const present = known > 0 ? this.#options.presentDevices() : new Set();
    for (const [uid, { device, cgroup }] of this.#sandboxes)
      if (!alive.has(uid) || !present.has(device) || !existsSync(cgroup)) this.#sandboxes.delete(uid);
    for (const [uid, device] of this.#sctpDevices)
      if (!alive.has(uid) || !present.has(device)) this.#sctpDevices.delete(uid);
  }

  async #locate(pod: PodWithDevice): Promise<Problem | undefined> {
    if (this.#sandboxes.has(pod.uid)) return undefined;
    try {
      const sandbox = await this.#options.find(pod);
      this.#sandboxes.set(pod.uid, sandbox);
      this.#options.log.info("leaving a Pod's sockets alone, and serving its packets", { pod: pod.name, ...sandbox });
      return undefined;
    } catch (error) {
      const message = `Pod ${pod.name}: its sockets are served like any other's, because ${errorText(error)}; the agent tries again.`;
      return { service: `pod/${pod.name}`, reason: "SocketLbBypass", message };
    }
  }

  async #locateForSctp(pods: readonly PodWithDevice[]): Promise<Problem[]> {
    const unknown = pods.filter(({ uid }) => !this.#sctpDevices.has(uid));
    if (unknown.length === 0) return [];
    const found = await this.#options.findDevices(unknown);
    return unknown.flatMap(({ name, uid }, index) => {
      const result = found[index];
      if (result?.status === "fulfilled") {
        this.#sctpDevices.set(uid, result.value);
        return [];
      }
      const message = `Pod ${name}: Services do not answer its SCTP, because ${errorText(result?.reason)}; the agent tries again.`;
      return [{ service: `pod/${name}`, reason: "SctpFromPod", message }];
    });
  }

  /** As many as fit, and those that were first. */
  async #withRoom(wanted: readonly PodWithDevice[], problems: Problem[]): Promise<readonly PodWithDevice[]> {
    let room = this.#bypassed.size;
    try {
      if (wanted.length > room) room = await this.#options.makeRoom(wanted.length);
    } catch (error) {
      this.#options.log.error("the map of Pods whose sockets are left alone cannot be made larger", {
        error: errorText(error),
      });
    }
    for (const { name } of wanted.slice(room)) {
      const message = `Pod ${name}: its sockets are served like any other's, because the map of those that are left alone is full; raise bpf.mapDynamicSizeRatio.`;
      problems.push({ service: `pod/${name}`, reason: "SocketLbBypass", message });
    }
    return wanted.slice(0, room);
  }

  /** Its packets are served before its sockets are left alone, and the other way round: no Pod is ever without both. */
  async #apply(wanted: readonly PodWithDevice[], again: boolean, servesSctp: boolean): Promise<readonly string[]> {
    const { kernel, advise, log } = this.#options;
    const devices = this.#options.devices();
    const cgroups = new Set(wanted.flatMap(({ uid }) => this.#sandboxes.get(uid)?.cgroup ?? []));
    const podDevices = [...new Set([...this.#sandboxes.values()].map(({ device }) => device))].sort();
    // A Pod that left its sockets alone once keeps the programs that serve all of its packets.
    const sctpDevices = [...new Set(this.#sctpDevices.values())]
      .filter((device) => !podDevices.includes(device))
      .sort();
    const loopback = servesSctp ? [LOOPBACK] : [];
    const text = JSON.stringify([devices, [...cgroups], podDevices, sctpDevices, loopback]);
    if (!again && text === this.#appliedAs) return [];
    const staying = [...this.#bypassed].filter((cgroup) => cgroups.has(cgroup));
    if (this.#appliedAs !== undefined) kernel.bypassSockets(staying);
    const { attached, kept } = await kernel.attach(devices, podDevices, sctpDevices, loopback);
    kernel.bypassSockets([...cgroups]);
    this.#bypassed = cgroups;
    this.#appliedAs = text;
    if (attached.length > 0) {
      log.info("attached the programs", { attached, kept });
      advise(devices);
    }
    return attached;
  }
}
