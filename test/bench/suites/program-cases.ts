// SPDX-License-Identifier: Apache-2.0
// Which packets the programs are measured with, and what must become of each.
import type { Drive, Road } from "../kernel/driver.ts";
import { type FilledShape, NODE_PORTS } from "../kernel/fill-datapath.ts";
import { addressNumber, SERVICE_PORT, serviceAddress } from "../world/cluster-objects.ts";

export const NODE = "10.78.1.2";
/** As many as a busy node has; a thousand fit its caches. */
export const FLOWS = { many: 40_000, few: 1_000 };
export const CLIENTS = addressNumber("198.18.0.0");
/** Addresses of clients that one case has for itself, so that no case meets another's flows. */
const CLIENTS_PER_CASE = 256;

export interface Case {
  readonly what: string;
  readonly program: string;
  readonly drive: Drive;
  /** Each packet begins a flow; otherwise all flows are begun before. */
  readonly begins: boolean;
  /** What the programs must count for each packet. */
  readonly counter: string;
  /** False where the packets are answers, whose flows another case has begun. */
  readonly warms?: boolean;
  readonly road?: Road;
  /** Begins the very flows that are measured, each time before they are. */
  readonly prelude?: { readonly program: string; readonly drive: Drive };
}

/** Where the node thinks that the backends are; `handed over` is elsewhere, at a node that answers the client itself. */
export type Place = "here" | "elsewhere" | "handed over";

const counters = { here: "rewritten", elsewhere: "forwarded", "handed over": "handed_over" } as const;

const nodePort = { services: NODE_PORTS, address: addressNumber(NODE), addressStep: 0, port: 30_000, portStep: 1 };
const random = { order: "random", flows: FLOWS.many } as const;
const fresh = { order: "ascending", flows: 0xffff_ffff, begins: true } as const;

/** NodePorts by Maglev tables and direct server return. */
export function handedOver(first: number): Case[] {
  const clients = (at: number) => CLIENTS + CLIENTS_PER_CASE * (first + at);
  const handed = { program: "node_ingress", counter: counters["handed over"] };
  const [known, begun] = [
    { ...nodePort, ...random, client: clients(0) },
    { ...nodePort, ...fresh, client: clients(1) },
  ];
  return [
    { what: "established NodePort, Maglev, handed over", ...handed, drive: known, begins: false },
    { what: "new flow NodePort, Maglev, handed over", ...handed, drive: begun, begins: true },
  ];
}

/** The cases of one side: backends on this node, or elsewhere. */
export function cases(shape: FilledShape, place: Exclude<Place, "handed over">, first: number): Case[] {
  const counter = counters[place];
  const program = "node_ingress";
  let next = first;
  const clients = () => CLIENTS + CLIENTS_PER_CASE * next++;
  const service = { services: shape.services, address: addressNumber(serviceAddress(0)), addressStep: 1 };
  const clusterIp = { ...service, port: SERVICE_PORT, portStep: 0 };
  const nodePortClients = clients();
  const list: Case[] = [
    { what: "established", program, drive: { ...clusterIp, ...random, client: clients() }, begins: false, counter },
    { what: "new flow", program, drive: { ...clusterIp, ...fresh, client: clients() }, begins: true, counter },
    {
      what: "established NodePort",
      program,
      drive: { ...nodePort, ...random, client: nodePortClients },
      begins: false,
      counter,
    },
    { what: "new flow NodePort", program, drive: { ...nodePort, ...fresh, client: clients() }, begins: true, counter },
  ];
  if (place === "here") {
    const few = { ...clusterIp, ...random, flows: FLOWS.few, client: clients() };
    list.push({ what: "established, 1,000 flows", program, drive: few, begins: false, counter });
    const backend = { address: addressNumber(shape.nodePortBackend(0)), addressStep: 1, port: 8080, portStep: 0 };
    const answers = { ...backend, ...random, services: NODE_PORTS, client: nodePortClients, reverse: true };
    list.push({ what: "answer", program: "node_egress", drive: answers, begins: false, counter, warms: false });
    // A flow's second packet enters the second half of its state.
    const begun = { ...nodePort, ...fresh, client: clients() };
    const first = { ...backend, ...fresh, begins: false, services: NODE_PORTS, client: begun.client, reverse: true };
    const prelude = { program, drive: begun };
    list.push({
      what: "first answer",
      program: "node_egress",
      drive: first,
      begins: false,
      counter,
      warms: false,
      prelude,
    });
  } else {
    const byXdp = { program: "node_xdp", road: "xdp", counter: "xdp_forwarded" } as const;
    const established = { ...clusterIp, ...random, client: clients() };
    list.push({ what: "established, XDP", ...byXdp, drive: established, begins: false });
    list.push({ what: "new flow, XDP", ...byXdp, drive: { ...clusterIp, ...fresh, client: clients() }, begins: true });
  }
  return list.map((one) => ({ ...one, what: `${one.what}, backend ${place}` }));
}
