// SPDX-License-Identifier: Apache-2.0
// The stack multi-cloud on one simulated account: EKS, GKE and bare metal on real machines, one update, one agent, one report.
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientOf, folderOf } from "../../plugins/clouds/clusters/cluster.ts";
import { loadBalancerService } from "../fixtures/load-balancer.ts";
import { createMachineCloud, type MachineCloud, networks } from "../fixtures/machine-cloud.ts";
import { provedChecks } from "../fixtures/proof.ts";

const hosts = [
  { name: "metal-cp", role: "control-plane", memoryMb: 1800 },
  { name: "metal-worker", role: "worker", memoryMb: 1024 },
];
const nodes = { eks: ["default-1"], gke: ["gke-default-1"], metal: ["metal-cp", "metal-worker"] };

let cloud: MachineCloud;
beforeAll(async () => {
  // Three clusters come up at the same time.
  cloud = await createMachineCloud(10_000);
  const booted = await Promise.all(
    hosts.map(async ({ name, role, memoryMb }) => ({ name, role, ...(await cloud.machines.boot(name, memoryMb)) })),
  );
  cloud.configure("multi-cloud", {
    "aws:region": "us-east-1",
    "gcp:project": "trial-project",
    "sansproxy:eks": { mode: "agent", vpcCidr: networks.vpcCidr },
    "sansproxy:eksNodeGroups": [{ name: "default", desiredSize: 1 }],
    "sansproxy:gke": {
      location: "europe-west1-b",
      mode: "self-managed",
      nodeCidr: networks.nodeCidr,
      nodeInitImage: cloud.agentImage,
    },
    "sansproxy:bareMetal": {
      hosts: booted,
      kubernetesVersion: "1.36.3",
      bundlePath: cloud.machines.settings.bundle,
      ignorePreflightErrors: ["SystemVerification"],
    },
    "sansproxy:datapath": { engine: "agent", image: { tag: cloud.agentTag } },
    // On two cores every step of one cluster waits for the others'.
    "sansproxy:verification": { timeoutSeconds: 1200 },
  });
  await cloud.succeed("config", "set", "--secret", "sansproxy:sshKey", "--", cloud.machines.privateKey);
});
afterAll(() => cloud?.[Symbol.asyncDispose]());

test("three clusters come up in one update, each is proved, and one report says so", async () => {
  await cloud.succeed("up", "--yes", "--skip-preview");
  for (const [cluster, names] of Object.entries(nodes)) {
    const proved = await provedChecks(cloud, cluster);
    expect([...proved.keys()].sort(), cluster).toEqual(["*", ...names]);
  }
  const report = JSON.parse(await cloud.succeed("stack", "output", "report", "--json"));
  expect(report).toMatchObject({
    passed: true,
    clusters: { eks: { passed: true }, gke: { passed: true }, metal: { passed: true } },
  });
});

test("a second update changes nothing", async () => {
  await cloud.succeed("up", "--yes", "--skip-preview", "--expect-no-changes");
});

test("destroy leaves the account empty, and the servers that are not of a cloud", async () => {
  await loadBalancerService(cloud.account, clientOf(folderOf(cloud.account, "eks-eks")), "web");
  await loadBalancerService(cloud.account, clientOf(folderOf(cloud.account, "gke-gke")), "shop");
  await cloud.succeed("destroy", "--yes", "--skip-preview");
  expect(cloud.account.list()).toEqual([]);
  expect(await cloud.names()).toEqual(["metal-cp", "metal-worker"]);
});
