// SPDX-License-Identifier: Apache-2.0
// SCTP packet by packet, in both families, as the kernel here has no SCTP sockets: ports, CRC32c, aborts.
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Datapath } from "../../agent/shell/kernel/datapath.ts";
import { dualStackWorld } from "./fixtures/dual-stack-world.ts";
import { IPV4, IPV6 } from "./fixtures/families.ts";
import { fragmentsOf } from "./fragments.ts";
import { build, chunkTypes, type PacketSpec } from "./packet.ts";
import { DROP, NEXT, type PacketTable, REDIRECT } from "./packet-table.ts";
import { CLIENT, SCTP, serve, TCP, UDP, type World } from "./world.ts";

const families = [
  { ...IPV4, vip: "192.0.2.70", unreachable: { type: 3, code: 1 }, expired: 11 },
  { ...IPV6, vip: "fd00::70", unreachable: { type: 1, code: 0 }, expired: 3 },
] as const;

/** The rest of an INIT: its initiate tag, and 12 bytes that do not matter here. */
const INITIATE_TAG = 0xcafe1234;
const init = Buffer.concat([Buffer.from(INITIATE_TAG.toString(16), "hex"), Buffer.alloc(12, 7)]);
const REFLECTED = 1;

let world: World;
let table: PacketTable;

function furnish(datapath: Datapath): void {
  for (const { wildcard, vip, pod, otherPod } of families) {
    const protocol = SCTP;
    serve(datapath, { address: vip, port: 80, protocol }, [{ address: otherPod, port: 8080 }]);
    serve(datapath, { address: vip, port: 81, protocol }, [{ address: pod, port: 8080 }]);
    serve(datapath, { address: vip, port: 82, protocol }, []);
    serve(datapath, { address: vip, port: 83, protocol, noEndpoint: "drop" }, []);
    serve(datapath, { address: vip, port: 84, protocol }, [{ address: pod, port: 84 }]);
    serve(datapath, { address: vip, port: 85, protocol, scope: "cluster" }, [{ address: otherPod, port: 8080 }]);
    serve(datapath, { address: vip, port: 86, protocol, ranges: ["203.0.113.0/24"] }, [
      { address: otherPod, port: 8080 },
    ]);
    serve(datapath, { address: wildcard, port: 30_001, protocol }, [{ address: pod, port: 9001 }]);
    serve(datapath, { address: wildcard, port: 30_001, protocol: TCP }, [{ address: pod, port: 9002 }]);
    serve(datapath, { address: wildcard, port: 30_001, protocol: UDP }, [{ address: pod, port: 9003 }]);
  }
}

beforeAll(() => {
  ({ world, table } = dualStackWorld(furnish));
});

beforeEach(() => table.forget());
afterAll(() => world.cleanup.run());

describe.each(families)("$family", (family) => {
  const { client, node, otherNode, pod, otherPod, vip, elsewhere, unreachable, expired } = family;
  const begins: PacketSpec = {
    protocol: "sctp",
    source: client,
    sourcePort: 5000,
    destination: vip,
    destinationPort: 81,
    chunk: "init",
    payload: init,
  };
  const answers: PacketSpec = {
    protocol: "sctp",
    source: pod,
    sourcePort: 8080,
    destination: client,
    destinationPort: 5000,
    tag: 99,
  };

  test("to a backend here and back has the right ports and checksum", () => {
    expect(table.ingress(begins)).toMatchObject({
      verdict: NEXT,
      from: `${client}:5000`,
      to: `${pod}:8080`,
      checksums: "right",
      counted: { new_service_flow: 1, rewritten: 1 },
    });
    expect(table.egress(answers)).toMatchObject({
      verdict: NEXT,
      from: `${vip}:81`,
      to: `${client}:5000`,
      checksums: "right",
    });
  });

  test("to a backend elsewhere leaves from our address, and its answer finds the client", () => {
    expect(table.ingress({ ...begins, destinationPort: 80 })).toMatchObject({
      verdict: REDIRECT,
      from: `${node}:5000`,
      to: `${otherPod}:8080`,
      ttl: 63,
      checksums: "right",
    });
    expect(table.ingress({ ...answers, source: otherPod, destination: node })).toMatchObject({
      verdict: REDIRECT,
      from: `${vip}:80`,
      to: `${client}:5000`,
      checksums: "right",
    });
  });

  test("of a length that may be anything has the right checksum", () => {
    const length = fc.integer({ min: 0, max: 1400 });
    fc.assert(
      fc.property(
        length,
        fc.integer({ min: 1, max: 0xffff }),
        fc.integer({ min: 0, max: 255 }),
        (bytes, port, fill) => {
          const packet = { ...begins, sourcePort: port, chunk: "data", payload: Buffer.alloc(bytes, fill) } as const;
          expect(table.ingress(packet)).toMatchObject({ to: `${pod}:8080`, checksums: "right" });
        },
      ),
      { numRuns: 200 },
    );
  });

  test("with a checksum that is left to the device leaves it so; one that was wrong stays wrong", () => {
    expect(table.ingress({ ...begins, noChecksum: true })).toMatchObject({ to: `${pod}:8080`, checksums: "absent" });
    const damaged = build(begins);
    damaged.writeUInt8(damaged.readUInt8(damaged.length - 1) ^ 1, damaged.length - 1);
    expect(table.ingress(damaged)).toMatchObject({ to: `${pod}:8080`, checksums: "wrong" });
  });

  test("of one NodePort with TCP and UDP finds the backend of its own", () => {
    const reached = (["sctp", "tcp", "udp"] as const).map(
      (protocol) => table.ingress({ ...begins, destination: node, destinationPort: 30_001, protocol, flags: "S" }).to,
    );
    expect(reached).toEqual([`${pod}:9001`, `${pod}:9002`, `${pod}:9003`]);
  });

  test("of a pod that leaves the cluster comes from the node, and of one served at its device reaches a ClusterIP", () => {
    const leaves = { ...begins, source: pod, destination: elsewhere, destinationPort: 9000 };
    expect(table.egress(leaves)).toMatchObject({ from: `${node}:5000`, to: `${elsewhere}:9000`, checksums: "right" });
    // Mid-stream without state answers somebody, and keeps its source.
    expect(table.egress({ ...leaves, sourcePort: 5001, chunk: "data" })).toMatchObject({ from: `${pod}:5001` });
    expect(table.ingress({ ...begins, destinationPort: 85 })).toMatchObject({ verdict: NEXT, to: `${vip}:85` });
    expect(table.pod({ ...begins, source: pod, destinationPort: 85 })).toMatchObject({
      verdict: NEXT,
      from: `${pod}:5000`,
      to: `${otherPod}:8080`,
      checksums: "right",
    });
  });

  test("of a pod whose sockets are translated reaches a ClusterIP, and its answer comes from there", () => {
    expect(table.sctpFromPod({ ...begins, source: pod, destinationPort: 85 })).toMatchObject({
      verdict: NEXT,
      from: `${pod}:5000`,
      to: `${otherPod}:8080`,
      checksums: "right",
      counted: { new_service_flow: 1, rewritten: 1 },
    });
    expect(table.sctpEgress({ ...answers, source: otherPod, destination: pod })).toMatchObject({
      verdict: NEXT,
      from: `${vip}:85`,
      to: `${pod}:5000`,
      checksums: "right",
    });
  });

  test("of a pod whose sockets are translated is held to source ranges, and answered where there is nobody", () => {
    expect(table.sctpFromPod({ ...begins, source: pod, destinationPort: 86 })).toMatchObject({
      verdict: DROP,
      counted: { drop_source_range: 1 },
    });
    expect(table.sctpFromPod({ ...begins, source: pod, destinationPort: 83 })).toMatchObject({
      verdict: REDIRECT,
      from: `${vip}:83`,
      to: `${pod}:5000`,
      counted: { refused: 1 },
    });
  });

  test("is all that is served at the device of such a pod, with ICMP errors about it: TCP and UDP pass untouched", () => {
    for (const protocol of ["tcp", "udp"] as const) {
      const begun = { protocol, source: pod, sourcePort: 5000, destination: node, destinationPort: 30_001, flags: "S" };
      expect(table.sctpFromPod(begun)).toMatchObject({ verdict: NEXT, to: `${node}:30001`, counted: {} });
      // The same packet at a pod that opted out, whose answer then passes this device too.
      expect(table.pod(begun).counted).toMatchObject({ new_service_flow: 1 });
      const answer = { ...begun, source: pod, sourcePort: protocol === "tcp" ? 9002 : 9003, destination: pod };
      expect(table.sctpEgress({ ...answer, destinationPort: 5000 })).toMatchObject({ counted: {} });
    }
    table.sctpFromPod({ ...begins, source: pod, destinationPort: 85 });
    const about = { ...begins, source: pod, destination: otherPod, destinationPort: 8080 };
    const inside = (client === CLIENT ? 20 : 40) + 8;
    const error: PacketSpec = {
      protocol: "icmp",
      source: otherPod,
      destination: pod,
      error: unreachable,
      payload: build(about).subarray(14, 14 + inside),
    };
    expect(table.sctpEgress(error)).toMatchObject({
      from: expect.stringMatching(`^${vip}:`),
      counted: { icmp_error: 1 },
    });
  });

  describe("of the node itself", () => {
    const own = { ...begins, source: node };
    const answer = { ...answers, source: otherPod, destination: node };

    test("to a ClusterIP leaves for the backend by another road, as young as it was, and its answer comes from there", () => {
      for (const chunk of ["init", "data"] as const) {
        expect(table.egress({ ...own, destinationPort: 85, chunk })).toMatchObject({
          verdict: REDIRECT,
          from: `${node}:5000`,
          to: `${otherPod}:8080`,
          ttl: 64,
          checksums: "right",
          counted: { rewritten: 1 },
        });
      }
      expect(table.ingress(answer)).toMatchObject({
        verdict: REDIRECT,
        from: `${vip}:85`,
        to: `${node}:5000`,
        checksums: "right",
        counted: { rewritten: 1 },
      });
    });

    test("to a NodePort here or at another node's address is given the cluster's backends, and needs no source range", () => {
      for (const [destination, destinationPort, to] of [
        [node, 30_001, `${pod}:9001`],
        [otherNode, 30_001, `${pod}:9001`],
        [vip, 86, `${otherPod}:8080`],
      ] as const) {
        expect(table.sctpEgress({ ...own, destination, destinationPort })).toMatchObject({ verdict: REDIRECT, to });
      }
    });

    test("is answered at the loopback device, too, where nothing else is changed", () => {
      table.egress({ ...own, destinationPort: 85 });
      expect(table.sctpToHost(answer)).toMatchObject({ from: `${vip}:85`, to: `${node}:5000`, checksums: "right" });
      for (const passes of [
        { ...own, destinationPort: 85 },
        { ...own, destination: node, destinationPort: 30_001 },
        { ...answer, destinationPort: 5001 },
        { ...own, protocol: "tcp", destination: node, destinationPort: 30_001, flags: "S" },
      ] as const) {
        const frame = build(passes);
        const { verdict, counted, packet } = table.run("sctp_to_host", frame);
        expect({ verdict, counted }).toEqual({ verdict: NEXT, counted: {} });
        expect(packet.equals(frame)).toBe(true);
      }
    });

    test("to nobody is refused to the node, also where the policy drops what comes from outside", () => {
      for (const destinationPort of [82, 83]) {
        expect(table.egress({ ...own, destinationPort })).toMatchObject({
          verdict: REDIRECT,
          from: `${vip}:${destinationPort}`,
          to: `${node}:5000`,
          checksums: "right",
          counted: { refused: 1 },
        });
      }
    });

    test("is not what another sends, nor what came in by a device with an address of the node", () => {
      for (const [source, cameBy] of [
        [client, 0],
        [node, 7],
      ] as const) {
        const frame = build({ ...own, source, destinationPort: 85 });
        const { verdict, packet } = table.run("node_egress", frame, cameBy);
        expect(verdict).toBe(NEXT);
        expect(packet.equals(frame)).toBe(true);
      }
    });

    test("an error about it is translated, whichever side reports it", () => {
      table.egress({ ...own, destinationPort: 85 });
      const about = (packet: PacketSpec) => build(packet).subarray(14, client === CLIENT ? 42 : 62);
      const error = { protocol: "icmp", error: unreachable } as const;
      const sent = { ...own, destination: otherPod, destinationPort: 8080 };
      expect(
        table.ingressDetail({ ...error, source: otherPod, destination: node, payload: about(sent) }),
      ).toMatchObject({
        verdict: REDIRECT,
        from: expect.stringMatching(`^${vip}:`),
        about: { from: `${node}:5000`, to: `${vip}:85`, header: "right" },
        checksums: "right",
      });
      table.ingress(answer);
      const answered = { ...answer, source: vip, sourcePort: 85 };
      expect(table.egressDetail({ ...error, source: node, destination: vip, payload: about(answered) })).toMatchObject({
        verdict: REDIRECT,
        to: expect.stringMatching(`^${otherPod}:`),
        about: { from: `${otherPod}:8080`, to: `${node}:5000`, header: "right" },
        checksums: "right",
      });
    });
  });

  test("INIT to nobody is answered by the abort that its sender accepts", () => {
    expect(table.ingressDetail({ ...begins, destinationPort: 82, ttl: 3 })).toMatchObject({
      verdict: REDIRECT,
      from: `${vip}:82`,
      to: `${client}:5000`,
      tag: INITIATE_TAG,
      chunk: chunkTypes.abort,
      chunkFlags: 0,
      payload: "",
      ttl: 64,
      checksums: "right",
      counted: { refused: 1 },
    });
  });

  test("in mid-stream to nobody is answered by an abort with its own tag, and so is one with options", () => {
    for (const more of [{}, { optionWords: 2 }]) {
      const data = { ...begins, ...more, destinationPort: 82, chunk: "data", tag: 77 } as const;
      expect(table.ingressDetail(data)).toMatchObject({
        verdict: REDIRECT,
        tag: 77,
        chunk: chunkTypes.abort,
        chunkFlags: REFLECTED,
        checksums: "right",
      });
    }
  });

  test.each(["abort", "shutdown-complete"] as const)("%s to nobody is never answered", (chunk) => {
    const ends = { ...begins, destinationPort: 82, chunk };
    expect(table.ingress(ends)).toMatchObject({ verdict: DROP, counted: { drop_no_endpoint: 1 } });
  });

  test("to no endpoint here is dropped where the policy says so", () => {
    expect(table.ingress({ ...begins, destinationPort: 83 })).toMatchObject({
      verdict: DROP,
      counted: { drop_no_endpoint: 1 },
    });
  });

  test("after the end of an association INIT begins a new one, and INIT where an answer is expected is none", () => {
    expect(table.ingress(begins).counted).toMatchObject({ new_service_flow: 1 });
    expect(table.ingress({ ...begins, chunk: "data" }).counted).toEqual({ rewritten: 1 });
    expect(table.ingress({ ...begins, chunk: "abort" }).counted).toEqual({ rewritten: 1 });
    expect(table.ingress(begins).counted).toMatchObject({ new_service_flow: 1 });
    const leaves = { ...begins, source: pod, destination: elsewhere, destinationPort: 9000 };
    expect(table.egress(leaves).counted).toMatchObject({ new_masquerade_flow: 1 });
    const comes = { ...begins, source: elsewhere, sourcePort: 9000, destination: node, destinationPort: 5000 };
    expect(table.ingress(comes)).toMatchObject({ verdict: NEXT, to: `${node}:5000`, counted: {} });
  });

  test("with its last hop used up is answered with enough to know an INIT again; less is there of the others", () => {
    const header = client === CLIENT ? 20 : 40;
    for (const [packet, bytes] of [
      [{ ...begins, destinationPort: 80, ttl: 1 }, 20],
      [{ ...begins, destinationPort: 80, ttl: 1, chunk: "cookie-ack", payload: "" }, 8],
    ] as const) {
      expect(table.ingressDetail(packet)).toMatchObject({
        verdict: REDIRECT,
        to: expect.stringMatching(`^${client}:`),
        type: expired,
        about: { from: `${client}:5000`, to: `${vip}:80` },
        bytes: 14 + header + 8 + header + bytes,
        checksums: "right",
      });
    }
  });

  test("an error about a translated packet is translated", () => {
    table.ingress({ ...begins, destinationPort: 80 });
    const about = { ...begins, source: node, destination: otherPod, destinationPort: 8080 };
    const inside = (client === CLIENT ? 20 : 40) + 8;
    const error: PacketSpec = {
      protocol: "icmp",
      source: otherPod,
      destination: node,
      error: unreachable,
      payload: build(about).subarray(14, 14 + inside),
    };
    expect(table.ingressDetail(error)).toMatchObject({
      verdict: REDIRECT,
      from: expect.stringMatching(`^${vip}:`),
      about: { from: `${client}:5000`, to: `${vip}:80`, header: "right" },
      checksums: "right",
    });
  });

  test("in fragments goes through where its ports stay, and is dropped where its checksum could not be right", () => {
    const large = { ...begins, chunk: "data", payload: "s".repeat(300) } as const;
    const [kept = Buffer.alloc(0)] = fragmentsOf(build({ ...large, destinationPort: 84 }), 120);
    expect(table.ingress(kept)).toMatchObject({ verdict: NEXT, to: `${pod}:84` });
    const [changed = Buffer.alloc(0)] = fragmentsOf(build(large), 120);
    expect(table.ingress(changed)).toMatchObject({ verdict: DROP, counted: { drop_rewrite_failed: 1 } });
  });

  test("with a header that is cut off passes as it is", () => {
    const cut = build(begins).subarray(0, 14 + (client === CLIENT ? 20 : 40) + 12);
    const { verdict, packet } = table.run("node_ingress", cut);
    expect(verdict).toBe(NEXT);
    expect(packet.equals(cut)).toBe(true);
  });
});
