// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { type KubernetesCluster, LoadBalancerRelease, Verification } from "../../components/index.ts";
import { parseReport, reportTable } from "../../components/internal/verification-report.ts";
import { adminKubeconfig, plainTexts, recordProgram, Secret, settled, verificationReport } from "./recorded-program.ts";

const cluster = (names: string[]): KubernetesCluster => ({
  name: "metal",
  platform: "bare-metal",
  kubernetesVersion: "v1.36.3",
  kubeconfig: pulumi.secret(adminKubeconfig),
  apiServerHost: "10.89.0.11",
  apiServerPort: 6443,
  podCidrs: ["10.244.0.0/16"],
  serviceCidrs: ["10.96.0.0/12"],
  nodes: names.map((name) => ({ name, address: "10.89.0.1", role: "worker" })),
  capabilities: { podCidrPerNode: true, nativeRouting: true, ownsCni: false },
});

const build = (names: string[], values: { [key: string]: unknown } = { a: 1 }) =>
  recordProgram(() => new Verification("verification", { cluster: cluster(names), effectiveValues: values }));

describe("Verification", () => {
  it("runs the command line for the cluster's nodes, in an order of its own, through no shell", async () => {
    const { resources } = await build(["worker-2", "cp-1", "worker-1"]);
    const { interpreter, create, update } = resources.get("verification-run")?.inputs ?? {};
    expect([...(interpreter as string[]), create].join(" ")).toBe(
      "node agent/sansproxy.mjs verify --kubeconfig=- --output=json --timeout=600s --expect-nodes=cp-1,worker-1,worker-2",
    );
    expect(update).toBe(create);
  });

  it.each([0, -1, 1.5, Number.NaN, 86_401])("refuses a time limit of %d seconds", async (timeoutSeconds) => {
    const wrong = /timeoutSeconds: .* is not a time limit/;
    const given = { cluster: cluster([]), timeoutSeconds };
    await recordProgram(() => {
      expect(() => new Verification("late", { ...given, effectiveValues: {} })).toThrow(wrong);
      expect(() => new LoadBalancerRelease("late", given)).toThrow(wrong);
    });
  });

  it("refuses an input that there is not, and names the one that was meant, as LoadBalancerRelease does", async () => {
    const wrong = /timeoutSecond: is no input here and would change nothing; did you mean "timeoutSeconds"\?/;
    const given = { cluster: cluster([]), timeoutSecond: 60 };
    await recordProgram(() => {
      expect(() => new Verification("late", { ...given, effectiveValues: {} })).toThrow(wrong);
      expect(() => new LoadBalancerRelease("late", given)).toThrow(wrong);
    });
  });

  it.each(["agent", "registry.example.com:5000/agent", "registry.example.com/agent:latest"])(
    "refuses probes of the image %s, which can be another one tomorrow",
    async (image) => {
      const wrong = /image: is ".*", which can be another image tomorrow; name one version or a digest/;
      const given = { cluster: cluster([]), effectiveValues: {}, datapath: "cilium" };
      await recordProgram(() => {
        expect(() => new Verification("moving", { ...given, image })).toThrow(wrong);
      });
    },
  );

  it.each(["registry.example.com:5000/agent:0.1.0", `agent@sha256:${"a".repeat(64)}`])(
    "names the probes' image %s where none of ours runs",
    async (image) => {
      const given = { cluster: cluster([]), effectiveValues: {}, datapath: "cilium", image };
      const { resources } = await recordProgram(() => new Verification("verification", given));
      expect(resources.get("verification-run")?.inputs["interpreter"]).toContain(`--image=${image}`);
    },
  );

  it("hands the kubeconfig over on standard input, as a secret", async () => {
    const { resources } = await build(["cp-1"]);
    const inputs = resources.get("verification-run")?.inputs ?? {};
    expect(inputs["stdin"]).toBeInstanceOf(Secret);
    for (const [path, text] of plainTexts(inputs)) expect(text, path).not.toContain("client-key-data");
  });

  it("changes its inputs when nodes or values change, and only then", async () => {
    const inputs = async (...given: Parameters<typeof build>) =>
      (await build(...given)).resources.get("verification-run")?.inputs;
    const before = await inputs(["cp-1", "worker-1"]);
    expect(await inputs(["cp-1", "worker-1"])).toEqual(before);
    expect(await inputs(["cp-1"])).not.toEqual(before);
    expect(await inputs(["cp-1", "worker-1"], { a: 2 })).not.toEqual(before);
  });

  it("runs again when the cluster's version changes", async () => {
    const triggers = async (kubernetesVersion: string) => {
      const upgraded = { ...cluster(["cp-1"]), kubernetesVersion };
      const program = () => new Verification("verification", { cluster: upgraded, effectiveValues: {} });
      return (await recordProgram(program)).resources.get("verification-run")?.inputs["triggers"];
    };
    expect(await triggers("v1.36.4")).not.toEqual(await triggers("v1.36.3"));
  });

  it("gives each check, and a table for a person, in the open", async () => {
    const { result } = await build(["cp-1"]);
    expect(await settled(result.result)).toEqual(verificationReport);
    expect(await pulumi.isSecret(result.result)).toBe(false);
    expect(await settled(result.table)).toMatch(/ok +no kube-proxy +worker-1 +5 ms +none/);
  });
});

describe("a verification's report", () => {
  it("is refused when it is not there", () => {
    expect(() => parseReport("")).toThrow(/npx sansproxy verify/);
  });

  it("is refused when it did not pass", () => {
    expect(() => parseReport(JSON.stringify({ ...verificationReport, passed: false }))).toThrow(
      /does not say that the cluster passed/,
    );
  });

  it("shows a failure, and a check of the whole cluster, as such", () => {
    const check = { name: "nodes", node: "*", passed: false, observed: "2 of 3 ready", durationMs: 9 };
    expect(reportTable({ passed: false, durationMs: 9, checks: [check] })).toMatch(
      /FAILED +nodes +\(cluster\) +9 ms +2 of 3 ready/,
    );
  });
});
