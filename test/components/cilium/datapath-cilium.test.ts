// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { unknown } from "@pulumi/pulumi/output.js";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { Datapath, type KubernetesCluster } from "../../../components/index.ts";
import { allModes } from "../../../components/internal/cilium/modes.ts";
import { plainTexts, recordProgram, Secret, settled } from "../recorded-program.ts";
import { type Choice, clusterOn } from "./wrong/row.ts";

const golden = (platform: string, mode: string): object =>
  parse(readFileSync(join(import.meta.dirname, "golden", `${platform}-${mode}.yaml`), "utf8"));

const build = (
  cluster: KubernetesCluster,
  choice: Choice = {},
  preview = false,
  opts?: pulumi.ComponentResourceOptions,
) => recordProgram(() => new Datapath("datapath", { cluster, engine: "cilium", ...choice }, opts), preview);

const later = <T>(value: pulumi.Input<T>): pulumi.Output<T> => pulumi.output(value) as pulumi.Output<T>;
const never = <T>(): pulumi.Output<T> => pulumi.output(unknown as unknown as T) as pulumi.Output<T>;

afterEach(() => {
  vi.restoreAllMocks();
});

describe("Datapath with the engine cilium", () => {
  it.each(allModes)(
    "installs on %s in mode %s one release with the golden values, and waits for no Pod",
    async (platform, mode) => {
      const { resources, result } = await build(clusterOn(platform), { mode });
      const values = golden(platform, mode);
      expect(await settled(result.effectiveValues)).toEqual(values);
      const release = resources.get("datapath-release");
      expect(release?.type).toBe("kubernetes:helm.sh/v3:Release");
      expect(release?.inputs).toEqual({
        compat: "true",
        name: "cilium",
        namespace: "kube-system",
        chart: "cilium",
        version: "1.20.0",
        repositoryOpts: { repo: "https://helm.cilium.io/" },
        values,
        skipAwait: true,
        atomic: false,
        timeout: 900,
        description: `for cluster ${clusterOn(platform).name}`,
      });
      expect([...resources.keys()].sort()).toEqual([
        "datapath",
        ...(platform === "bare-metal" ? [] : ["datapath-api-server"]),
        "datapath-kubernetes",
        "datapath-release",
      ]);
    },
  );

  it("puts a cloud's API server into a ConfigMap before the release", async () => {
    const { resources } = await build(clusterOn("eks"));
    const configMap = resources.get("datapath-api-server");
    expect(configMap?.inputs).toMatchObject({
      metadata: { name: "cilium-api-server", namespace: "kube-system" },
      data: { host: "0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com" },
    });
    expect(resources.get("datapath-release")?.dependencies).toContain("datapath-api-server");
    expect(resources.get("datapath-release")?.inputs["values"]["k8sServiceHostRef"]).toEqual({
      name: configMap?.inputs["metadata"]["name"],
      key: "host",
    });
  });

  it("shows all values in a preview in which the cloud's cluster does not exist yet", async () => {
    const cluster = clusterOn("eks", {
      apiServerHost: never(),
      serviceCidrs: never(),
      kubeconfig: never(),
      nodes: never(),
    });
    const { resources, result } = await build(cluster, {}, true);
    expect(resources.get("datapath-release")?.inputs["values"]).toEqual(golden("eks", "eni"));
    expect(await settled(result.effectiveValues)).toEqual(golden("eks", "eni"));
    // What the engine is told for a value that it will only learn later.
    expect(resources.get("datapath-api-server")?.inputs["data"]["host"]).toBe(pulumi.runtime.unknownValue);
  });

  it("installs the same values when everything is known only while the update runs", async () => {
    const { podCidrs, serviceCidrs, apiServerHost, apiServerPort } = clusterOn("gke");
    const cluster = clusterOn("gke", {
      podCidrs: later(podCidrs),
      serviceCidrs: later(serviceCidrs),
      apiServerHost: later(apiServerHost),
      apiServerPort: later(apiServerPort),
    });
    const { resources } = await build(cluster, { mode: later("self-managed"), version: later("1.20.0") });
    expect(resources.get("datapath-release")?.inputs).toMatchObject({
      version: "1.20.0",
      values: golden("gke", "self-managed"),
    });
  });

  it("refuses before anything is created what is wrong whatever the cluster turns out to be", async () => {
    const cluster = clusterOn("eks", { podCidrs: never(), serviceCidrs: never(), apiServerHost: never() });
    const { resources } = await recordProgram(() => {
      expect(() => new Datapath("datapath", { cluster, engine: "cilium", bpf: { masquerade: true } })).toThrow(
        /bpf\.masquerade: is true while IPv4 masquerading is off/,
      );
    }, true);
    expect([...resources.keys()]).toEqual([]);
  });

  it.each([
    [
      "a registry",
      "oci://registry.example.com/charts/cilium",
      { chart: "oci://registry.example.com/charts/cilium", version: "1.20.1" },
    ],
    [
      "a repository",
      "https://charts.example.com/",
      { chart: "cilium", version: "1.20.1", repositoryOpts: { repo: "https://charts.example.com/" } },
    ],
  ])("takes the chart from %s", async (_what, chartSource, inputs) => {
    const { resources } = await build(clusterOn("bare-metal"), { chartSource, version: "1.20.1" });
    const release = resources.get("datapath-release")?.inputs ?? {};
    expect(release).toMatchObject(inputs);
    expect(release).toHaveProperty("version");
    if (!("repositoryOpts" in inputs)) expect(release).not.toHaveProperty("repositoryOpts");
  });

  it("takes the chart from a folder in a closed network", async () => {
    const folder = "test/components/cilium/chart";
    const { resources } = await build(clusterOn("bare-metal"), { chartSource: folder });
    const release = resources.get("datapath-release")?.inputs ?? {};
    expect(release["chart"]).toBe(folder);
    expect(release).not.toHaveProperty("repositoryOpts");
    expect(release).not.toHaveProperty("version");
  });

  describe("from an archive in a closed network", () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "sansproxy-chart-"));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    const buildFrom = (name: string, version: string) => {
      const chartSource = join(folder, name);
      writeFileSync(chartSource, "");
      return build(clusterOn("bare-metal"), { chartSource, version });
    };

    it.each([
      ["cilium-1.20.1.tgz", "1.20.1"],
      ["cilium-1.21.0-rc.1.tar.gz", "1.21.0-rc.1"],
      ["renamed.tgz", "1.20.1"],
    ])("takes %s for the chart of version %s", async (name, version) => {
      const { resources } = await buildFrom(name, version);
      expect(resources.get("datapath-release")?.inputs["chart"]).toBe(join(folder, name));
    });

    it.each([
      ["cilium-1.20.0.tgz", "1.20.1"],
      ["cilium-1.20.1-rc.1.tgz", "1.20.1"],
    ])("refuses %s for the chart of version %s", async (name, version) => {
      await expect(buildFrom(name, version)).rejects.toThrow(
        `a chart of version ${/-(.*)\.tgz$/.exec(name)?.[1]}, and version is "${version}"; make them agree`,
      );
    });
  });

  it("predicts the maps' memory and says it in the preview", async () => {
    const info = vi.spyOn(pulumi.log, "info").mockResolvedValue();
    const expected = { services: 10000, endpoints: 100000, nodes: 50, nodeMemoryMib: 16384 };
    const { result } = await build(clusterOn("bare-metal"), { expected }, true);
    const mib = await settled(result.predictedMapMemoryMib ?? pulumi.output(0));
    expect(mib).toBeGreaterThan(100);
    expect(mib).toBeLessThan(16384 / 4);
    expect(info.mock.calls.map(([message]) => message)).toEqual([
      expect.stringMatching(new RegExp(`maps take about ${mib} MiB on a node of 16384 MiB under the expected load`)),
    ]);
    expect(await settled(result.effectiveValues)).toMatchObject({ bpf: { lbMapMax: 262144, masquerade: true } });
  });

  it("only warns of a key that a newer chart may have", async () => {
    vi.spyOn(pulumi.log, "info").mockResolvedValue();
    const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
    const { resources } = await build(clusterOn("bare-metal"), { version: "1.21.0", helmValues: { brandNew: true } });
    expect(resources.get("datapath-release")?.inputs["values"]["brandNew"]).toBe(true);
    expect(warn.mock.calls.map(([message]) => message)).toEqual([
      expect.stringMatching(/helmValues\.brandNew.*1\.21\.0 may know it/),
    ]);
  });

  it.each(["the name", "its identifier"])("makes everything anew when %s is another one", async (what) => {
    const cluster = { ...clusterOn("eks"), ...(what === "the name" ? {} : { identifier: later("eks-1234") }) };
    const { resources } = await build(cluster);
    const carried = what === "the name" ? cluster.name : "eks-1234";
    expect(resources.get("datapath-release")).toMatchObject({
      inputs: { description: `for cluster ${carried}` },
      replaceOnChanges: ["description"],
    });
    expect(resources.get("datapath-api-server")).toMatchObject({
      inputs: { metadata: { annotations: { "sansproxy.io/cluster": carried } } },
      replaceOnChanges: ["metadata"],
    });
    // A provider that is replaced cannot delete any more what was made by it.
    expect(resources.get("datapath-kubernetes")?.inputs).toMatchObject({ clusterIdentifier: cluster.name });
  });

  it("lets the release wait for what the component waits for", async () => {
    const { resources } = await recordProgram(() => {
      const first = new pulumi.ComponentResource("sansproxy:index:First", "first");
      const stand = new Datapath("stand", { cluster: clusterOn("bare-metal"), engine: "agent" }, { parent: first });
      new Datapath("datapath", { cluster: clusterOn("bare-metal"), engine: "cilium" }, { dependsOn: [stand] });
    });
    expect(resources.get("datapath-release")?.dependencies).toContain("stand-release");
  });

  it("passes the kubeconfig on as a secret only", async () => {
    const { resources } = await build(clusterOn("gke", { kubeconfig: pulumi.secret("client-key-data: x") }));
    expect(resources.get("datapath-kubernetes")?.inputs["kubeconfig"]).toBeInstanceOf(Secret);
    for (const { name, inputs } of resources.values()) {
      for (const [path, text] of plainTexts(inputs)) expect(text, `${name}${path}`).not.toContain("client-key-data");
    }
  });
});
