// SPDX-License-Identifier: Apache-2.0
// What a verification has to know of each datapath: its DaemonSet, and how it says that Services are its work.

export type DatapathName = "agent" | "cilium" | "dataplane-v2";

export interface VerifiedDatapath {
  readonly name: DatapathName;
  /** In kube-system. */
  readonly daemonSet: string;
  /** Of the DaemonSet's Pods. */
  readonly selector: string;
  /** Reports its state as our agent does: ready, and how many Services and endpoints it serves. */
  readonly reportsState: boolean;
  /** Container whose `cilium-dbg status` says whether kube-proxy's work is done. */
  readonly statusContainer?: string;
}

const DATAPATHS: Readonly<Record<DatapathName, VerifiedDatapath>> = {
  agent: {
    name: "agent",
    daemonSet: "sansproxy",
    selector: "app.kubernetes.io/name=sansproxy",
    reportsState: true,
  },
  cilium: {
    name: "cilium",
    daemonSet: "cilium",
    selector: "k8s-app=cilium",
    reportsState: false,
    statusContainer: "cilium-agent",
  },
  // Google lets nobody run a command in its Pods: the traffic is the proof there.
  "dataplane-v2": { name: "dataplane-v2", daemonSet: "anetd", selector: "k8s-app=cilium", reportsState: false },
};

export const datapathNames = Object.keys(DATAPATHS) as readonly DatapathName[];

export const verifiedDatapath = (name: DatapathName): VerifiedDatapath => DATAPATHS[name];
