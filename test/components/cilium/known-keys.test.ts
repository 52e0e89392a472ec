// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { keyProblems, knownKeys } from "../../../components/internal/cilium/known-keys.ts";
import { chartKeys, upstreamMissing, upstreamReason } from "./chart-keys.ts";

const file = join(import.meta.dirname, "../../../components/internal/cilium/known-keys-1.20.json");

describe("the known keys of Cilium's chart", () => {
  it.skipIf(upstreamMissing)(
    `are what values.yaml 1.20.0 says${upstreamMissing ? ` (${upstreamReason})` : ""}`,
    async () => {
      await expect(`${JSON.stringify(chartKeys(), undefined, 2)}\n`).toMatchFileSnapshot(file);
    },
  );

  it("hold keys that the file shows as comments only", () => {
    const tree = knownKeys();
    expect(tree["socketLB"]).toMatchObject({ enabled: "boolean", hostNamespaceOnly: "any" });
    expect(tree["loadBalancer"]).toMatchObject({ mode: "any", algorithm: "any", dsrDispatch: "any" });
    expect(tree).toMatchObject({ egressMasqueradeInterfaces: "any", ipMasqAgent: { config: "any" } });
    expect(tree).not.toHaveProperty("config");
  });
});

describe("a value that the chart would ignore", () => {
  it.each([
    [{ k8sServicehost: "10.0.0.1" }, "k8sServicehost", 'did you mean "k8sServiceHost"?'],
    [{ bpf: { masquerad: true } }, "bpf.masquerad", 'did you mean "masquerade"?'],
    [{ masquerade: true }, "masquerade", 'did you mean "bpf.masquerade"?'],
    [{ wholly: { different: 1 } }, "wholly", "extraConfig"],
    [{ bpf: true }, "bpf", "takes object here"],
    [{ eni: { enabled: "yes" } }, "eni.enabled", "takes boolean here"],
    [{ MTU: 1450.5 }, "MTU", "takes integer here"],
  ])("%j is refused with the place and the remedy", (values, propertyPath, remedy) => {
    const problems = keyProblems("", values);
    expect(problems.map((problem) => problem.propertyPath)).toEqual([propertyPath]);
    expect(problems[0]?.reason).toContain(remedy);
  });

  it.each([
    { extraConfig: { "bpf-lb-service-map-max": "131072" } },
    { podAnnotations: { anything: "goes" }, operator: { nodeSelector: { pool: "system" } } },
    { ipam: null, k8sServicePort: 6443, devices: ["eth0"] },
    { maglev: { tableSize: 65521 } },
  ])("is not found in %j", (values) => {
    expect(keyProblems("", values)).toEqual([]);
  });
});
