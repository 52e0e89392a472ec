// SPDX-License-Identifier: Apache-2.0
// The components from YAML and from Python: `pulumi package add`, and a datapath's whole life on a real API server.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiServer, startApiServer } from "./fixtures/api-server.ts";
import { languageHosts } from "./fixtures/language-hosts.ts";
import { createStack, type Stack } from "./fixtures/stack.ts";

const root = resolve(import.meta.dirname, "../..");
const chart = join(root, "test/components/cilium/chart");

let api: ApiServer;
let stack: Stack;

const succeed = async (...args: string[]): Promise<string> => {
  const { code, output } = await stack.pulumi(...args, ...(args[0] === "package" ? [] : ["--stack", "local"]));
  if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${code}:\n${output}`);
  return output;
};

/** A cluster that somebody else made, with some of what a Datapath has to know of it. */
const cluster = () => ({
  name: "shop",
  platform: "bare-metal",
  kubernetesVersion: "v1.36.3",
  kubeconfig: api.kubeconfig,
  apiServerHost: "192.0.2.11",
  apiServerPort: 6443,
  podCidrs: ["10.244.0.0/16"],
  serviceCidrs: ["10.96.0.0/12"],
  nodes: [],
  capabilities: { podCidrPerNode: true, nativeRouting: true, ownsCni: false },
});

interface Language {
  /** Files of a project; the algorithm is one that Maglev or chance gives to new connections. */
  files(algorithm: string): Record<string, string>;
}

const languages: Record<string, Language> = {
  yaml: {
    files: (algorithm) => ({
      "Pulumi.yaml": JSON.stringify({
        name: "trial",
        runtime: "yaml",
        packages: { sansproxy: join(root, "components/plugin") },
        resources: {
          datapath: {
            type: "sansproxy:Datapath",
            properties: {
              cluster: { ...cluster(), kubeconfig: { "fn::secret": api.kubeconfig } },
              engine: "cilium",
              chartSource: chart,
              loadBalancer: { algorithm },
            },
          },
        },
        outputs: { values: "${datapath.effectiveValues}", mib: "${datapath.predictedMapMemoryMib}" },
      }),
    }),
  },
  python: {
    files: (algorithm) => ({
      "Pulumi.yaml": JSON.stringify({
        name: "trial",
        runtime: { name: "python", options: { toolchain: "pip", virtualenv: "venv" } },
        packages: { sansproxy: join(root, "components/plugin") },
      }),
      "cluster.json": JSON.stringify(cluster()),
      "__main__.py": `
import json
import pulumi
import pulumi_sansproxy as sansproxy
known = json.load(open("cluster.json"))
datapath = sansproxy.Datapath(
    "datapath",
    cluster=sansproxy.KubernetesClusterArgs(
        name=known["name"], platform=known["platform"], kubernetes_version=known["kubernetesVersion"],
        kubeconfig=pulumi.Output.secret(known["kubeconfig"]),
        api_server_host=known["apiServerHost"], api_server_port=known["apiServerPort"],
        pod_cidrs=known["podCidrs"], service_cidrs=known["serviceCidrs"], nodes=[],
        capabilities={"pod_cidr_per_node": True, "native_routing": True, "owns_cni": False},
    ),
    engine="cilium",
    chart_source=${JSON.stringify(chart)},
    load_balancer={"algorithm": ${JSON.stringify(algorithm)}},
)
pulumi.export("values", datapath.effective_values)
pulumi.export("mib", datapath.predicted_map_memory_mib)
`,
    }),
  },
};

const recorded = (): { k8sServiceHost?: string; loadBalancer?: { algorithm?: string } } =>
  JSON.parse(api.kubectl("get", "cm", "recorded-values", "-n=kube-system", "--output=jsonpath={.data.values\\.json}"));

describe.each(Object.entries(languages))("a program in %s", (name, { files }) => {
  const project = (): string => join(stack.directory, "project");
  const write = (algorithm: string): void => {
    for (const [file, text] of Object.entries(files(algorithm))) writeFileSync(join(project(), file), text);
  };

  beforeAll(async () => {
    api = await startApiServer();
    stack = await createStack({}, await languageHosts());
    rmSync(project(), { recursive: true });
    mkdirSync(project());
    write("random");
    if (name === "python") writeFileSync(join(project(), "requirements.txt"), "pulumi==3.250.0\n");
  });
  afterAll(async () => {
    // YAML's host keeps the schemas that it has read beside their plugins.
    rmSync(join(root, "components/schema-sansproxy.json"), { force: true });
    stack[Symbol.dispose]();
    await api[Symbol.asyncDispose]();
  });

  test("gets an SDK of the components by pulumi package add", async () => {
    const added = await succeed("package", "add", join(root, "components/plugin"));
    expect(added).toContain("Successfully generated an SDK for the sansproxy package");
    expect(added).toMatch(name === "python" ? "import pulumi_sansproxy as sansproxy" : "resources of sansproxy");
  });

  test("installs a datapath with the values that it asked for, and reads its outputs", async () => {
    await succeed("up", "--yes");
    expect(recorded()).toMatchObject({ k8sServiceHost: "192.0.2.11", loadBalancer: { algorithm: "random" } });
    const { values, mib } = JSON.parse(await succeed("stack", "output", "--json")) as {
      values: Record<string, unknown>;
      mib: number;
    };
    expect(values).toEqual(recorded());
    expect(mib).toBeGreaterThan(0);
    expect(stack.state()).not.toContain("test-administrator");
  });

  test("changes nothing the second time, and one value when the program does", async () => {
    await succeed("up", "--yes", "--expect-no-changes");
    write("maglev");
    await succeed("up", "--yes");
    expect(recorded()).toMatchObject({ loadBalancer: { algorithm: "maglev" } });
  });

  test("is told what is wrong, and takes its datapath away", async () => {
    write("magnet");
    const refused = await stack.pulumi("preview", "--stack", "local");
    expect(refused.code).not.toBe(0);
    expect(refused.output).toMatch(/Datapath "datapath" has a wrong input[\s\S]*loadBalancer\.algorithm/);
    await succeed("destroy", "--yes");
    expect(api.kubectl("get", "cm", "-n=kube-system", "--output=name")).not.toContain("recorded-values");
  });
});
