// SPDX-License-Identifier: Apache-2.0
// A short run of the fuzzer, from another seed each time; `npm run fuzz` goes on as long as it is told.
import { expect, test } from "vitest";
import { fuzz } from "../fuzz/fuzzer.ts";

const PACKETS = 60_000;

test("damaged packets get no verdict, and no change, that the model does not allow", async () => {
  const seed = Math.floor(Math.random() * 0xffffffff);
  console.log(`seed ${seed}: npm run fuzz -- --packets ${PACKETS} --seed ${seed}`);
  const { packets, counts, differences } = await fuzz(PACKETS, seed);
  expect(differences).toEqual([]);
  expect(packets).toBe(PACKETS);
  // What is not met is not tested.
  expect([...counts.keys()]).toEqual(
    expect.arrayContaining([
      "node_ingress: a backend here: -1",
      "node_ingress: a backend elsewhere: 7",
      "node_ingress: no endpoint here, dropped: 2",
      "node_ingress: no endpoint, refused: 7",
      "node_ingress: not served to the outside: -1",
      "node_ingress: nothing that is translated: -1",
      "pod_ingress: a backend of the cluster: -1",
      "node_egress: leaves from a pod or from us: -1",
      "sctp_from_pod: a backend of the cluster: -1",
      "sctp_from_pod: left to sockets: -1",
      "sctp_egress: left to sockets: -1",
      "node_egress: the node's own SCTP to a Service: 7",
      "sctp_egress: IPv6, the node's own SCTP to a Service: 7",
      "sctp_to_host: may answer a translated flow: 7",
      "node_ingress: IPv6, a backend here: -1",
      "node_ingress: IPv6, a backend elsewhere: 7",
      "node_ingress: IPv6, no endpoint here, dropped: 2",
      "node_ingress: IPv6, no endpoint, refused: 7",
      "node_ingress: IPv6, not served to the outside: -1",
      "pod_ingress: IPv6, a backend of the cluster: -1",
      "node_egress: IPv6, leaves from a pod or from us: -1",
      "sctp_from_pod: IPv6, a backend of the cluster: -1",
      "node_ingress: a later fragment: 7",
      "node_ingress: IPv6, a later fragment: 7",
    ]),
  );
});
