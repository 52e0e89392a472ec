// SPDX-License-Identifier: Apache-2.0
// Sends probes into a world and says what became of each packet; it never waits for what does not come.
import { endpointText, type Fate, type Observed, type Probe } from "../probe.ts";
import { ASIDE, CLIENT_POD, HERE, LOCAL_PODS, podAddress, SANDBOX_POD } from "../topology.ts";
import { toBytes } from "./address.ts";
import {
  build,
  familyOf,
  initOf,
  numbered,
  PROTOCOL_NUMBERS,
  readFrame,
  readPacket,
  readSegment,
  type Seen,
} from "./frame.ts";
import type { Edge, NodeWorld } from "./node-world.ts";
import { ECONNREFUSED, type Family, Socket, socketAddress } from "./socket.ts";

const FRAMES_AT_ONCE = 8;
const FIRST_PORT = 20_000;
const PORTS = 40_000;
/** Each lets what is on its way get one device further; a refusal has two to go. */
const SENTINELS = 2;
const SENTINEL_DEADLINE_MS = 10_000;
const SENTINEL = {
  source: "198.51.100.250",
  destination: podAddress(HERE, LOCAL_PODS[0], 4),
  protocol: "udp",
} as const;

export class Prober {
  readonly #world: NodeWorld;
  #nextId = 1;

  constructor(world: NodeWorld) {
    this.#world = world;
  }

  /** Sends one client's packets until `enough` says so, at most `limit`. */
  ask(probe: Probe, limit: number, enough: (fates: Observed) => boolean): Observed {
    const fates: Fate[] = [];
    while (fates.length < limit && (fates.length === 0 || !enough(fates))) {
      if (isFrame(probe)) fates.push(...this.#frames(probe));
      else fates.push(this.#socket(probe, fates.length));
    }
    return fates;
  }

  #id(): number {
    this.#nextId = (this.#nextId + 1) >>> 0;
    return this.#nextId;
  }

  #frames(probe: Probe): Fate[] {
    const family = familyOf(probe.address);
    const { edge, source } = this.#sender(probe, family);
    const ids = Array.from({ length: FRAMES_AT_ONCE }, () => this.#id());
    this.#drain();
    for (const id of ids) {
      const { protocol, address: destination, port: destinationPort } = probe;
      const sourcePort = portOf(id);
      const sent = edge.tap.send(build(edge.node, { source, sourcePort, destination, destinationPort, protocol, id }));
      if (sent < 0) throw new Error(`a frame of probe ${JSON.stringify(probe)} could not be sent: errno ${-sent}`);
    }
    const seen = this.#settle();
    return ids.map((id) => {
      const isAbout = (one: Seen) => (one.kind === "packet" ? one.id === id : one.port === portOf(id));
      return fateOf(probe, [source], seen.filter(isAbout));
    });
  }

  #sender({ from, source = "" }: Probe, family: Family): { edge: Edge; source: string } {
    if (from === "outside") return { edge: this.#world.outside, source };
    const [edge, pod] =
      from === "pod" ? ([this.#world.pod, CLIENT_POD] as const) : ([this.#world.sandbox, SANDBOX_POD] as const);
    return { edge, source: podAddress(HERE, pod, family) };
  }

  /** UDP is tried connected and unconnected in turn. */
  #socket(probe: Probe, turn: number): Fate {
    const family = familyOf(probe.address);
    const { netns } = probe.from === "pod" ? this.#world.pod : { netns: this.#world.node };
    const own = probe.from === "pod" ? [podAddress(HERE, CLIENT_POD, family)] : [...HERE.addresses, ...ASIDE];
    const { protocol, port } = probe;
    const to = socketAddress(toBytes(probe.address), protocol === "sctp" ? 0 : port);
    const id = this.#id();
    this.#drain();
    const socket = netns.inside(() => Socket.client(family, protocol === "sctp" ? PROTOCOL_NUMBERS.sctp : protocol));
    try {
      const connected = protocol !== "udp" || turn % 2 === 0;
      let result = connected ? socket.connect(to) : 0;
      const data = protocol === "sctp" ? initOf({ sourcePort: portOf(id), destinationPort: port, id }) : numbered(id);
      if (protocol !== "tcp" && result === 0) result = socket.send(data, connected ? undefined : to);
      // SCTP's refusal is an ABORT to the port that the packet names, of which the raw socket knows nothing.
      const isOurs = (one: Seen): boolean =>
        one.kind === "packet"
          ? one.protocol === protocol && (protocol === "tcp" || one.id === id)
          : protocol === "sctp" && one.port === portOf(id);
      let seen = this.#collect().filter(isOurs);
      if (seen.length === 0) seen = this.#settle().filter(isOurs);
      if (seen.length > 0) return fateOf(probe, own, seen);
      // A refusal may come as the call's own result, or after it as an error of the socket.
      return { kind: result === -ECONNREFUSED || socket.error() === ECONNREFUSED ? "refused" : "dropped" };
    } finally {
      socket.close();
    }
  }

  /** Everything that is on its way has arrived when this returns. */
  #settle(): Seen[] {
    const { tap, node } = this.#world.outside;
    const seen: Seen[] = [];
    for (let round = 0; round < SENTINELS; round++) {
      const id = this.#id();
      tap.send(build(node, { ...SENTINEL, sourcePort: portOf(id), destinationPort: 9, id }));
      const deadline = performance.now() + SENTINEL_DEADLINE_MS;
      for (let arrived = false; !arrived; ) {
        const now = this.#collect();
        arrived = now.some((one) => one.kind === "packet" && one.id === id);
        seen.push(...now);
        if (!arrived && performance.now() > deadline) throw new Error("the node forwards nothing any more");
      }
    }
    return seen;
  }

  #isOwn(one: Seen): boolean {
    return one.kind === "packet" && this.#world.own.has(endpointText(one.destination, one.destinationPort));
  }

  #drain(): void {
    this.#collect();
  }

  #collect(): Seen[] {
    const seen: Seen[] = [];
    for (const { tap } of [this.#world.outside, this.#world.pod, this.#world.sandbox]) {
      for (let frame = tap.receive(); frame !== undefined; frame = tap.receive()) {
        const one = readFrame(frame);
        if (one !== undefined) seen.push(one);
      }
    }
    for (const { socket, address, protocol } of this.#world.deliveries) {
      for (let packet = socket.receive(); packet !== undefined; packet = socket.receive()) {
        const one = address.includes(":")
          ? // The source is not told; it matters to nobody here.
            readSegment(PROTOCOL_NUMBERS[protocol], packet, "", address)
          : readPacket(packet);
        if (one !== undefined && !this.#isOwn(one)) seen.push(one);
      }
    }
    return seen;
  }
}

/** Who sends frames: clients whose packets are served, not their sockets, and pods for SCTP, of which the kernel may have none. */
const isFrame = ({ from, protocol }: Probe): boolean =>
  from === "outside" || from === "sandbox" || (from === "pod" && protocol === "sctp");

const portOf = (id: number): number => FIRST_PORT + (id % PORTS);

/** Where it arrived counts for more than what was said of it: an unserved address of the node refuses for itself. */
function fateOf(probe: Probe, own: readonly string[], seen: readonly Seen[]): Fate {
  for (const one of seen) {
    if (one.kind !== "packet") continue;
    if (one.destination === probe.address && one.destinationPort === probe.port) return { kind: "untouched" };
    const sourceKept = one.source === "" || own.includes(one.source);
    return { kind: "backend", backend: endpointText(one.destination, one.destinationPort), sourceKept };
  }
  return { kind: seen.some((one) => one.kind === "refusal") ? "refused" : "dropped" };
}
