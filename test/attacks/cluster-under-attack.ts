// SPDX-License-Identifier: Apache-2.0
// A cluster with a victim and an attacker, served by the real core, maps and programs, and questions in a line each.
import type { Cluster, EndpointSliceObject, ServiceObject } from "../oracle/objects.ts";
import { OurProxy } from "../oracle/our-proxy.ts";
import type { Probe } from "../oracle/probe.ts";
import { PLACES, podAddress } from "../oracle/topology.ts";

const [HERE, THERE] = PLACES;

export const VICTIM_IP = "10.96.0.10";
export const VICTIM_PORT = 80;
/** The victim's endpoint, and the attacker's own Pod that wants its traffic. */
const VICTIM_POD = podAddress(THERE, 7, 4);
export const ATTACKER_POD = podAddress(HERE, 8, 4);
const TARGET_PORT = 8080;

export const victim = `${VICTIM_POD}:${TARGET_PORT}`;
export const attacker = `${ATTACKER_POD}:${TARGET_PORT}`;

const metadata = (namespace: string, name: string, second: number, labels: Record<string, string> = {}) => ({
  namespace,
  name,
  uid: `${namespace}-${name}`,
  creationTimestamp: `2026-01-01T00:00:0${second}Z`,
  labels,
});

type Spec = Partial<ServiceObject["spec"]>;

const service = (
  namespace: string,
  second: number,
  clusterIP: string,
  spec: Spec,
  ingress: string[] = [],
): ServiceObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: metadata(namespace, "web", second),
  spec: {
    type: "ClusterIP",
    clusterIP,
    clusterIPs: [clusterIP],
    ports: [{ name: "web", protocol: "TCP", port: VICTIM_PORT, targetPort: TARGET_PORT }],
    ...spec,
  },
  status: { loadBalancer: ingress.length === 0 ? {} : { ingress: ingress.map((ip) => ({ ip })) } },
});

export const slice = (namespace: string, name: string, address: string, nodeName: string): EndpointSliceObject => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: metadata(namespace, name, 0, { "kubernetes.io/service-name": "web" }),
  addressType: "IPv4",
  ports: [{ name: "web", protocol: "TCP", port: TARGET_PORT }],
  endpoints: [{ addresses: [address], nodeName, conditions: { ready: true } }],
});

export const victimService = (spec: Spec = {}, ingress?: string[]) => service("victim", 1, VICTIM_IP, spec, ingress);
/** Older than the victim's, so that age does not decide for the victim. */
export const attackerService = (spec: Spec, ingress?: string[]) => service("attacker", 0, "10.96.0.66", spec, ingress);

export const slices: readonly EndpointSliceObject[] = [
  slice("victim", "web-1", VICTIM_POD, THERE.name),
  slice("attacker", "web-1", ATTACKER_POD, HERE.name),
];

export class UnderAttack {
  readonly #proxy = new OurProxy();

  load(services: readonly ServiceObject[], more: Partial<Cluster> = {}, pods: readonly object[] = []): Promise<void> {
    return this.#proxy.load({ services, endpointSlices: more.endpointSlices ?? slices }, pods);
  }

  get problems(): readonly string[] {
    return this.#proxy.problems;
  }

  /** All that becomes of twenty and more packets or connections: endpoints and verdicts, each once, sorted. */
  ask(
    from: Probe["from"],
    address: string,
    port: number,
    source?: string,
    protocol: Probe["protocol"] = "tcp",
  ): string[] {
    const probe = { from, protocol, address, port, target: "attack", ...(source === undefined ? {} : { source }) };
    const fates = this.#proxy.probing((prober) => prober.ask(probe, 24, () => false));
    return [...new Set(fates.map((fate) => (fate.kind === "backend" ? fate.backend : fate.kind)))].sort();
  }

  close(): Promise<void> {
    return this.#proxy.close();
  }
}
