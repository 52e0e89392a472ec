// SPDX-License-Identifier: Apache-2.0
// Names the tests of Kubernetes' suite that this box cannot run at all, each with what it lacks. Nothing else is left out.

const noSctp = "this kernel has no SCTP sockets, so no pod can listen on or dial SCTP";
const noInternet = "it asks for servers of the Internet, and the machines reach only each other";
const needsCloud = "it asks for names that only Google's cloud resolves";

/** Test name as the suite prints it, and the reason. */
export const notPossibleHere: Readonly<Record<string, string>> = {
  "[sig-network] Networking Granular Checks: Pods should function for intra-pod communication: sctp [LinuxOnly] [Feature:SCTPConnectivity]":
    noSctp,
  "[sig-network] Networking Granular Checks: Pods should function for node-pod communication: sctp [LinuxOnly] [Feature:SCTPConnectivity]":
    noSctp,
  "[sig-network] Networking Granular Checks: Services should function for endpoint-Service: sctp [Feature:SCTPConnectivity]":
    noSctp,
  "[sig-network] Networking Granular Checks: Services should function for node-Service: sctp [Feature:SCTPConnectivity]":
    noSctp,
  "[sig-network] Networking Granular Checks: Services should function for pod-Service: sctp [Feature:SCTPConnectivity]":
    noSctp,
  "[sig-network] [Feature:IPv6DualStack] Granular Checks: Services Secondary IP Family [LinuxOnly] should function for pod-Service: sctp [Feature:SCTPConnectivity]":
    noSctp,
  "[sig-network] Networking should provide Internet connection for containers [Feature:Networking-IPv4]": noInternet,
  "[sig-network] Networking should provide Internet connection for containers [Feature:Networking-IPv6] [Experimental][LinuxOnly]":
    noInternet,
  "[sig-network] Networking should provider Internet connection for containers using DNS [Feature:Networking-DNS]":
    noInternet,
  "[sig-network] DNS should provide DNS for the cluster [Provider:GCE]": needsCloud,
};
