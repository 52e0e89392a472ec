// SPDX-License-Identifier: Apache-2.0
// Turns the host ports of this node's Pods into frontends, one per address, beside those of the Services.

import type { DesiredFrontend, DesiredSelection, DesiredService } from "./desired-state.ts";
import { PROTOCOL_NUMBERS } from "./endpoint-selection.ts";
import type { AddressRules } from "./external-address.ts";
import { contains, type IpAddress, parseCidr, parseIp } from "./ip-address.ts";
import { type HostPort, objectKey, type Pod } from "./kubernetes-objects.ts";
import { backendId, type FrontendKey, frontendId, type Protocol } from "./operation.ts";
import { type Problem, titleOf } from "./problem.ts";

const LOOPBACK = ["127.0.0.0/8", "::1/128"].flatMap((text) => parseCidr(text) ?? []);
const UNSPECIFIED = ["", "0.0.0.0", "::"];

/** How Pods with host ports are named among the Services. */
const podName = (pod: Pod): string => `pod/${objectKey(pod)}`;

/** `others` have what they have already. `nodeAddresses` are canonical. */
export function hostPortServices(
  pods: readonly Pod[],
  nodeAddresses: readonly string[],
  rules: Pick<AddressRules, "isApiServer">,
  others: readonly DesiredService[],
  problems: Problem[],
): DesiredService[] {
  const asking = pods.filter((each) => each.hasOwnNetwork && each.hostPorts.length > 0).sort(byClaim);
  if (asking.length === 0) return [];
  const owners = new Map(others.flatMap(({ name, frontends }) => frontends.map((f) => [frontendId(f.key), name])));
  const services: DesiredService[] = [];
  for (const pod of asking) {
    const frontends: DesiredFrontend[] = [];
    const selections = new Map<string, DesiredSelection>();
    for (const hostPort of pod.hostPorts) {
      const protocol = PROTOCOL_NUMBERS[hostPort.protocol];
      if (protocol === undefined) {
        problems.push(unsupported(pod, hostPort));
        continue;
      }
      const addresses = addressesOf(hostPort, nodeAddresses);
      if (addresses.length === 0) problems.push(foreign(pod, hostPort));
      for (const address of addresses) {
        const podIp = pod.podIps.flatMap((ip) => parseIp(ip) ?? []).find(({ family }) => family === address.family);
        if (!podIp) continue;
        if (rules.isApiServer(address.text, hostPort.hostPort)) {
          problems.push(ofApiServer(pod, hostPort, address));
          continue;
        }
        const key: FrontendKey = { address: address.text, port: hostPort.hostPort, protocol };
        const owner = ownerOf(owners, key, address, nodeAddresses);
        if (owner !== undefined) {
          if (owner !== podName(pod)) problems.push(conflict(pod, hostPort, key, owner));
          continue;
        }
        owners.set(frontendId(key), podName(pod));
        const selection = selectionOf(pod, hostPort, podIp, protocol);
        selections.set(selection.key, selection);
        frontends.push({
          key,
          scope: isLoopback(address) ? "cluster" : "external",
          servicePort: selection.servicePort,
          selection: selection.key,
          externalSelection: selection.key,
          noEndpoint: "reject",
          affinitySeconds: 0,
          sourceRanges: false,
          algorithm: "random",
          dsr: false,
        });
      }
    }
    if (frontends.length > 0)
      services.push({
        name: podName(pod),
        frontends,
        selections: [...selections.values()],
        kept: [],
        sourceRanges: [],
      });
  }
  return services;
}

const isLoopback = (address: IpAddress): boolean => LOOPBACK.some((cidr) => contains(cidr, address));

/** A Pod on its way out gives its port to the one that follows; else the older one keeps it. */
function byClaim(a: Pod, b: Pod): number {
  if (a.deleting !== b.deleting) return a.deleting ? 1 : -1;
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp ? -1 : 1;
  return objectKey(a) < objectKey(b) ? -1 : 1;
}

/** None where it names another machine's: nobody has asked before whose it is, and this node would be in the middle. */
function addressesOf({ hostIp }: HostPort, nodeAddresses: readonly string[]): IpAddress[] {
  const asked = UNSPECIFIED.includes(hostIp) ? nodeAddresses : [hostIp];
  return asked
    .flatMap((address) => parseIp(address) ?? [])
    .filter((address) => isLoopback(address) || nodeAddresses.includes(address.text));
}

function ownerOf(
  owners: ReadonlyMap<string, string>,
  key: FrontendKey,
  { family }: IpAddress,
  nodeAddresses: readonly string[],
): string | undefined {
  // A NodePort answers on every address of the node, and an exact frontend would hide it.
  const nodePort = nodeAddresses.includes(key.address)
    ? owners.get(frontendId({ ...key, address: `*${family}` }))
    : undefined;
  return owners.get(frontendId(key)) ?? nodePort;
}

function selectionOf(pod: Pod, hostPort: HostPort, podIp: IpAddress, protocol: Protocol): DesiredSelection {
  const servicePort = `${podName(pod)}:${hostPort.containerPort}/${hostPort.protocol}`;
  const backend = { address: podIp.text, port: hostPort.containerPort, protocol };
  return {
    key: `${servicePort}/v${podIp.family}/host`,
    servicePort,
    backends: [backend],
    cells: 1,
    contents: backendId(backend),
  };
}

const unsupported = (pod: Pod, { hostPort, protocol }: HostPort): Problem => ({
  service: podName(pod),
  reason: "UnsupportedProtocol",
  message: `Pod ${objectKey(pod)} host port ${hostPort}: protocol ${protocol} is not served; use TCP, UDP or SCTP.`,
});

const foreign = (pod: Pod, { hostIp, hostPort, protocol }: HostPort): Problem => ({
  service: podName(pod),
  reason: "AddressNotAllowed",
  message:
    `Pod ${objectKey(pod)}: host port ${protocol} ${hostPort} is not served, because its hostIP "${hostIp}" is no address ` +
    "of its node's devices; leave hostIP out, or name one that is.",
});

const ofApiServer = (pod: Pod, { hostPort, protocol }: HostPort, { text }: IpAddress): Problem => ({
  service: podName(pod),
  reason: "AddressNotAllowed",
  message:
    `Pod ${objectKey(pod)}: host port ${protocol} ${text}:${hostPort} is not served, because the API server is reached ` +
    "there; use another port.",
});

const conflict = (pod: Pod, { protocol }: HostPort, key: FrontendKey, owner: string): Problem => ({
  service: podName(pod),
  reason: "HostPortConflict",
  message:
    `Pod ${objectKey(pod)}: host port ${protocol} ${key.address}:${key.port} is already served for ` +
    `${titleOf(owner)}; give one of them another port.`,
});
