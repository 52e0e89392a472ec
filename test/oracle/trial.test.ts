// SPDX-License-Identifier: Apache-2.0
// A known difference is no licence: what a proxy does in its place is held to a promise of its own.
import { expect, test } from "vitest";
import { clusterOf, endpointOf, probeOf, serviceOf, sliceOf } from "./cluster-builder.ts";
import type { Fate } from "./probe.ts";
import type { ProxyName, ServiceProxy } from "./proxy.ts";
import { trial } from "./trial.ts";
import type { Prober } from "./wire/prober.ts";

const HERE = "10.244.1.7:8080";
const THERE = "10.244.2.7:8080";
const STRANGER = "10.244.3.7:8080";
const cluster = clusterOf(
  [serviceOf("a")],
  sliceOf("a", [endpointOf("10.244.1.7"), endpointOf("10.244.2.7", { nodeName: "node-2" })]),
);
const outside = probeOf({ from: "outside", source: "192.0.2.7" });
const untouched: Fate = { kind: "untouched" };
const refused: Fate = { kind: "refused" };
const to = (...backends: string[]) =>
  backends.map((backend): Fate => ({ kind: "backend", backend, sourceKept: false }));

/** Answers with these fates again and again. */
function proxyOf(name: ProxyName, fates: readonly Fate[]): ServiceProxy {
  const prober: Pick<Prober, "ask"> = {
    ask: (_, limit, enough) => {
      const seen: Fate[] = [];
      while (seen.length < limit && (seen.length === 0 || !enough(seen))) seen.push(...fates);
      return seen;
    },
  };
  return {
    name,
    load: async () => {},
    probing: (run) => run(prober as Prober),
    close: async () => {},
  };
}

test.each<[string, ProxyName, readonly Fate[], "agrees" | "known" | "fails"]>([
  ["ours leaves it alone", "ours", [untouched], "agrees"],
  ["ours serves it", "ours", to(HERE, THERE), "fails"],
  ["kube-proxy leaves it alone", "iptables", [untouched], "agrees"],
  ["kube-proxy serves it with all endpoints", "iptables", to(HERE, THERE), "known"],
  ["kube-proxy serves it with one endpoint only", "iptables", to(HERE), "fails"],
  ["kube-proxy serves it with a stranger", "nftables", to(HERE, STRANGER), "fails"],
  ["kube-proxy refuses it though there are endpoints", "nftables", [refused], "fails"],
  ["kube-proxy loses some", "iptables", [...to(HERE, THERE), { kind: "dropped" }], "fails"],
])("a ClusterIP asked from outside: %s", async (_, name, fates, verdict) => {
  const { findings } = await trial([proxyOf(name, fates)], cluster, [outside]);
  const [finding] = findings;
  expect(findings.length).toBe(verdict === "agrees" ? 0 : 1);
  expect(finding?.known !== undefined).toBe(verdict === "known");
});

test("a ClusterIP without endpoints, asked from outside, is refused or left alone, and nothing else", async () => {
  const nobody = clusterOf([serviceOf("a")]);
  const verdicts = await Promise.all(
    ([refused, untouched, { kind: "dropped" }] as Fate[]).map(async (fate) => {
      const { findings } = await trial([proxyOf("iptables", [fate])], nobody, [outside]);
      return findings.map(({ known }) => (known === undefined ? "fails" : "known")).join() || "agrees";
    }),
  );
  expect(verdicts).toEqual(["known", "agrees", "fails"]);
});

test("a port of a ClusterIP that no Service has is not excused by the difference about ClusterIPs", async () => {
  const { findings } = await trial([proxyOf("iptables", to(HERE))], cluster, [{ ...outside, port: 81 }]);
  expect(findings.map(({ known }) => known)).toEqual([undefined]);
});

const nodePort = probeOf({
  ...{ from: "outside", source: "192.0.2.7", address: "10.77.0.2", port: 30_080, target: "NodePort" },
});
const OTHER_RANGE = ["10.78.0.0/24"];
const OTHER_FAMILY = ["fd00:77::/64"];

test.each<[string, readonly string[], boolean, ProxyName, readonly Fate[], "agrees" | "known" | "fails"]>([
  ["ours leaves it alone", OTHER_RANGE, true, "ours", [untouched], "agrees"],
  ["ours serves it", OTHER_RANGE, true, "ours", to(HERE, THERE), "fails"],
  ["kube-proxy serves it", OTHER_RANGE, true, "iptables", to(HERE, THERE), "fails"],
  ["without endpoints kube-proxy's iptables refuse it", OTHER_RANGE, false, "iptables", [refused], "known"],
  ["without endpoints kube-proxy's nftables refuse it", OTHER_RANGE, false, "nftables", [refused], "fails"],
  ["without endpoints ours refuses it", OTHER_RANGE, false, "ours", [refused], "fails"],
  ["with ranges of the other family kube-proxy serves it", OTHER_FAMILY, true, "nftables", to(HERE, THERE), "known"],
  ["with ranges of the other family kube-proxy loses an endpoint", OTHER_FAMILY, true, "nftables", to(HERE), "fails"],
  ["with ranges of the other family ours serves it", OTHER_FAMILY, true, "ours", to(HERE, THERE), "fails"],
])("a NodePort outside the ranges: %s", async (_, nodePortAddresses, endpoints, name, fates, verdict) => {
  const objects = endpoints ? cluster : clusterOf([serviceOf("a")]);
  const { findings } = await trial([proxyOf(name, fates)], { ...objects, nodePortAddresses }, [nodePort]);
  expect(findings.map(({ known }) => (known === undefined ? "fails" : "known")).join() || "agrees").toBe(verdict);
});

test("what is promised in place of one difference may be another that is known", async () => {
  const local = clusterOf(
    [serviceOf("a", { spec: { externalTrafficPolicy: "Local" } })],
    sliceOf("a", [endpointOf("10.244.2.7", { nodeName: "node-2" })]),
  );
  const verdictOf = async (source: string) => {
    const objects = { ...local, nodePortAddresses: OTHER_FAMILY };
    const { findings } = await trial([proxyOf("iptables", to(THERE))], objects, [{ ...nodePort, source }]);
    return findings.map(({ known }) => (known === undefined ? "fails" : "known")).join();
  };
  expect(await verdictOf("10.244.2.9")).toBe("known");
  expect(await verdictOf("192.0.2.7")).toBe("fails");
});

const signals = { name: "signals", protocol: "SCTP", port: 80, targetPort: 8080 } as const;
const associations = clusterOf(
  [serviceOf("a", { spec: { ports: [signals] } })],
  sliceOf("a", [endpointOf("10.244.1.7")], { ports: [{ name: "signals", protocol: "SCTP", port: 8080 }] }),
);

test.each<[string, Parameters<typeof probeOf>[0], ProxyName]>([
  ["of the host goes on as it is by ours", { from: "host", protocol: "sctp" }, "ours"],
  ["of the host goes on as it is by kube-proxy", { from: "host", protocol: "sctp" }, "iptables"],
  ["of a pod goes on as it is by ours", { from: "pod", protocol: "sctp" }, "ours"],
])("SCTP to a Service that %s is a failure", async (_, probe, name) => {
  const { findings } = await trial([proxyOf(name, [untouched])], associations, [probeOf(probe)]);
  expect(findings.map(({ known }) => known)).toEqual([undefined]);
});
