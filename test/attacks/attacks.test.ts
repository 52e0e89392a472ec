// SPDX-License-Identifier: Apache-2.0
// Exploits of Service proxies, each tried against ours as its attacker would, beside what must go on working.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { API_ENDPOINTS, PLACES, podAddress } from "../oracle/topology.ts";
import {
  ATTACKER_POD,
  attacker,
  attackerService,
  slice,
  slices,
  UnderAttack,
  VICTIM_IP,
  VICTIM_PORT,
  victim,
  victimService,
} from "./cluster-under-attack.ts";

const [HERE, THERE] = PLACES;
const NODE = HERE.addresses[0];
const OTHER_NODE = THERE.addresses[0];
const [API_SERVER, API_ON_NODE] = API_ENDPOINTS;
const OUTSIDER = "192.0.2.7";
const BALANCER = "198.18.0.9";
const everywhere = ["pod", "sandbox", "host", "outside"] as const;
let cluster: UnderAttack;

beforeAll(() => {
  cluster = new UnderAttack();
});
afterAll(() => cluster.close());

/** CVE-2020-8554: whoever may create a Service types in an address that is another's, and gets its traffic. */
describe("an external IP cannot put its Service in the middle (CVE-2020-8554):", () => {
  test.each([
    ["of another Service, its ClusterIP", VICTIM_IP, [victim]],
    ["of another Service, its load balancer's address", BALANCER, [victim]],
    ["of a node, the address of this one", NODE, ["untouched"]],
    ["of a node, the address of another", OTHER_NODE, ["untouched"]],
    ["of a Pod", podAddress(THERE, 9, 4), ["untouched"]],
    ["of nobody but the machine itself, on its loopback", "127.0.0.1", ["untouched"]],
    ["of the API server", API_SERVER.address, ["untouched"]],
    ["of the cloud's metadata server", "169.254.169.254", ["untouched"]],
  ])("one %s is refused, and traffic goes where it went", async (_, address, wanted) => {
    await cluster.load([
      victimService({ type: "LoadBalancer" }, [BALANCER]),
      attackerService({ externalIPs: [address] }),
    ]);
    expect(cluster.problems).toContain("attacker/web AddressNotAllowed");
    expect(cluster.ask("host", address, VICTIM_PORT)).toEqual(wanted);
    if (address !== "127.0.0.1") {
      expect(cluster.ask("pod", address, VICTIM_PORT)).toEqual(wanted);
      expect(cluster.ask("sandbox", address, VICTIM_PORT)).toEqual(wanted);
    }
    expect(cluster.ask("outside", address, VICTIM_PORT, OUTSIDER)).not.toContain(attacker);
  });

  test("nor on a port of the other's address that the other does not use", async () => {
    const ports = [{ name: "web", protocol: "TCP", port: 443, targetPort: 8080 }] as const;
    await cluster.load([victimService(), attackerService({ externalIPs: [VICTIM_IP], ports })]);
    for (const from of everywhere) expect(cluster.ask(from, VICTIM_IP, 443, OUTSIDER)).toEqual(["untouched"]);
  });

  test("one that is nobody's is served, so the refusals above are not for want of serving any", async () => {
    await cluster.load([victimService(), attackerService({ externalIPs: ["203.0.113.5"] })]);
    expect(cluster.problems).toEqual([]);
    for (const from of everywhere) expect(cluster.ask(from, "203.0.113.5", VICTIM_PORT, OUTSIDER)).toEqual([attacker]);
  });
});

/** Without an endpoint the answer would be a refusal: to every kubelet and agent, none of which could take it back. */
describe("nobody takes the API server's place:", () => {
  const ports = [{ name: "web", protocol: "TCP", port: API_SERVER.port, targetPort: 8080 }] as const;
  test.each([
    ["at its own address, an external IP", API_SERVER, { externalIPs: [API_SERVER.address] }, []],
    ["at its own address, a load balancer's status", API_SERVER, { type: "LoadBalancer" }, [API_SERVER.address]],
    ["at its node's, an external IP", API_ON_NODE, { externalIPs: [API_ON_NODE.address] }, []],
    ["at its node's, a load balancer's status", API_ON_NODE, { type: "LoadBalancer" }, [API_ON_NODE.address]],
  ] as const)("%s", async (_, { address, port }, spec, ingress) => {
    for (const endpointSlices of [[], slices]) {
      await cluster.load([attackerService({ ...spec, ports }, [...ingress])], { endpointSlices });
      expect(cluster.problems).toContain("attacker/web AddressNotAllowed");
      for (const from of everywhere) expect(cluster.ask(from, address, port, OUTSIDER)).toEqual(["untouched"]);
    }
  });

  test("while a load balancer's status may name that node for other ports", async () => {
    await cluster.load([attackerService({ type: "LoadBalancer" }, [API_ON_NODE.address])]);
    expect(cluster.problems).toEqual([]);
    for (const from of ["pod", "sandbox", "host"] as const)
      expect(cluster.ask(from, API_ON_NODE.address, VICTIM_PORT)).toEqual([attacker]);
  });
});

/** CVE-2020-8558: with route_localnet, a neighbour on the same wire sends to 127.0.0.1 of the node. */
test("a neighbour reaches neither a NodePort nor the host's own loopback through 127.0.0.1 (CVE-2020-8558)", async () => {
  const ports = [{ name: "web", protocol: "TCP", port: 80, targetPort: 8080, nodePort: 30_080 }] as const;
  await cluster.load([victimService({ type: "NodePort", ports })]);
  expect(cluster.ask("outside", NODE, 30_080, OUTSIDER)).toEqual([victim]);
  for (const source of [OUTSIDER, OTHER_NODE, "127.0.0.1"]) {
    for (const port of [30_080, 10_256, 10_249])
      expect(cluster.ask("outside", "127.0.0.1", port, source)).toEqual(["dropped"]);
  }
});

describe("a ClusterIP cannot be taken from another namespace", () => {
  test("by an EndpointSlice that names its Service", async () => {
    const foreign = slice("attacker", "web-2", ATTACKER_POD, HERE.name);
    await cluster.load([victimService()], { endpointSlices: [...slices, foreign] });
    for (const from of ["pod", "sandbox", "host"] as const)
      expect(cluster.ask(from, VICTIM_IP, VICTIM_PORT)).toEqual([victim]);
  });

  test("by an EndpointSlice when the Service has no endpoints of its own", async () => {
    await cluster.load([victimService()], { endpointSlices: [slice("attacker", "web-2", ATTACKER_POD, HERE.name)] });
    for (const from of ["pod", "sandbox", "host"] as const)
      expect(cluster.ask(from, VICTIM_IP, VICTIM_PORT)).toEqual(["refused"]);
  });

  test.each([
    ["the ClusterIP itself", VICTIM_IP, [victim]],
    ["a Pod's address", podAddress(THERE, 9, 4), ["untouched"]],
    ["the loopback", "127.0.0.1", ["untouched"]],
  ])("by a load balancer's status that holds %s", async (_, address, wanted) => {
    await cluster.load([victimService(), attackerService({ type: "LoadBalancer" }, [address])]);
    expect(cluster.problems).toContain("attacker/web AddressNotAllowed");
    expect(cluster.ask("host", address, VICTIM_PORT)).toEqual(wanted);
    if (address !== "127.0.0.1") expect(cluster.ask("pod", address, VICTIM_PORT)).toEqual(wanted);
  });
});

/** TCP needs an answer, a datagram does its harm with none: so these are datagrams. */
describe("source ranges are not passed by who lies about its address", () => {
  const ports = [{ name: "web", protocol: "UDP", port: 53, targetPort: 8080 }] as const;
  const datagrams = {
    ...slice("victim", "web-1", ATTACKER_POD, HERE.name),
    ports: [{ name: "web", protocol: "UDP", port: 8080 }],
  } as const;
  const load = () =>
    cluster.load(
      [victimService({ type: "LoadBalancer", ports, loadBalancerSourceRanges: ["203.0.113.0/24"] }, [BALANCER])],
      {
        endpointSlices: [datagrams],
      },
    );

  test.each([
    ["another node", OTHER_NODE],
    ["a Pod of another node", podAddress(THERE, 9, 4)],
    ["a Pod of this node", podAddress(HERE, 9, 4)],
    ["this node", NODE],
    ["its loopback", "127.0.0.1"],
    ["the load balancer", BALANCER],
    ["the ClusterIP", VICTIM_IP],
  ])("as %s", async (_, source) => {
    await load();
    expect(cluster.ask("outside", BALANCER, 53, source, "udp")).toEqual(["dropped"]);
  });

  test("while who is in a range is served", async () => {
    await load();
    expect(cluster.ask("outside", BALANCER, 53, "203.0.113.9", "udp")).toEqual([attacker]);
  });
});

describe("a host port is kept", () => {
  const pod = (name: string, second: number, address: string, hostIP: string, hostPort: number, protocol = "TCP") => ({
    metadata: { namespace: name, name: "pod", uid: name, creationTimestamp: `2026-01-01T00:00:0${second}Z` },
    spec: {
      nodeName: HERE.name,
      containers: [{ ports: [{ hostIP, hostPort, containerPort: 8080, protocol }] }],
    },
    status: { phase: "Running", podIPs: [{ ip: address }] },
  });
  const own = podAddress(HERE, 7, 4);

  test("from a younger Pod that asks for the same address and port, or for all addresses", async () => {
    for (const hostIP of [NODE, "", "0.0.0.0"]) {
      await cluster.load([], {}, [pod("victim", 1, own, NODE, 8443), pod("attacker", 2, ATTACKER_POD, hostIP, 8443)]);
      expect(cluster.problems).toContain("pod/attacker/pod HostPortConflict");
      for (const from of everywhere) expect(cluster.ask(from, NODE, 8443, OUTSIDER)).toEqual([`${own}:8080`]);
    }
  });

  test("and takes no NodePort, nor another Service's external address", async () => {
    const ports = [{ name: "web", protocol: "TCP", port: 80, targetPort: 8080, nodePort: 30_080 }] as const;
    const service = victimService({ type: "NodePort", ports, externalIPs: ["203.0.113.5"] });
    await cluster.load([service], {}, [
      pod("attacker", 0, ATTACKER_POD, "", 30_080),
      pod("attacker-2", 0, ATTACKER_POD, "203.0.113.5", 80),
    ]);
    for (const from of everywhere) {
      expect(cluster.ask(from, NODE, 30_080, OUTSIDER)).toEqual([victim]);
      expect(cluster.ask(from, "203.0.113.5", 80, OUTSIDER)).toEqual([victim]);
    }
  });

  test.each([
    ["another node's, where the API server listens", OTHER_NODE, 6443, "tcp"],
    ["a name server's, far away", "8.8.8.8", 53, "udp"],
    ["another Service's, on a port that it does not use", VICTIM_IP, 443, "tcp"],
  ] as const)("to the machine of its Pod: a host IP that is %s takes nothing", async (_, address, port, protocol) => {
    await cluster.load([victimService()], {}, [
      pod("attacker", 0, ATTACKER_POD, address, port, protocol.toUpperCase()),
    ]);
    expect(cluster.problems).toContain("pod/attacker/pod AddressNotAllowed");
    for (const from of everywhere) expect(cluster.ask(from, address, port, OUTSIDER, protocol)).toEqual(["untouched"]);
  });
});
