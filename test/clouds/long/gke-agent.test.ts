// SPDX-License-Identifier: Apache-2.0
// The stack gke, self-managed with the agent, on real machines that are born with the real kube-proxy as a static Pod.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientOf, folderOf } from "../../plugins/clouds/clusters/cluster.ts";
import { started } from "../fixtures/journal.ts";
import { loadBalancerService } from "../fixtures/load-balancer.ts";
import { createMachineCloud, type MachineCloud, networks } from "../fixtures/machine-cloud.ts";
import { previewOf } from "../fixtures/preview.ts";
import { provedChecks } from "../fixtures/proof.ts";

const node = "gke-default-1";
const manifests = "/etc/kubernetes/manifests";

let cloud: MachineCloud;
beforeAll(async () => {
  cloud = await createMachineCloud();
  configure();
});
afterAll(() => cloud?.[Symbol.asyncDispose]());

const configure = (values: object = {}) =>
  cloud.configure("gke", {
    "gcp:project": "trial-project",
    "sansproxy:gke": {
      location: "europe-west1-b",
      mode: "self-managed",
      nodeCidr: networks.nodeCidr,
      nodeInitImage: cloud.agentImage,
    },
    "sansproxy:gkeNodePools": [{ name: "default" }],
    "sansproxy:datapath": { engine: "agent", image: { tag: cloud.agentTag }, ...values },
  });

const onNode = (script: string): Promise<string> => cloud.machines.run(node, script);
const withoutKubeProxy = `
  ! pgrep -x kube-proxy >/dev/null || { echo "kube-proxy runs"; exit; }
  [ ! -e ${manifests}/kube-proxy.manifest ] || { echo "its manifest is there"; exit; }
  for save in iptables-save ip6tables-save; do $save 2>/dev/null | grep -E 'KUBE-(SVC|SEP|SERVICES)' || true; done`;

test("kube-proxy is taken from a node on which it has served, the agent serves in its place, and that is proved", async () => {
  await cloud.succeed("up", "--yes", "--skip-preview");
  expect(await cloud.names()).toEqual(["cp-gke-gke", node]);
  expect((await provedChecks(cloud)).get(node)).toEqual(
    expect.arrayContaining(["no kube-proxy process", "no kube-proxy chains", "ClusterIP TCP from pod"]),
  );
  expect(await onNode(withoutKubeProxy)).toBe("");
  // It was the real one, and it had written its rules: they are what node-init says it removed.
  const { body } = await clientOf(folderOf(cloud.account, "gke-gke")).require(
    [200],
    "GET",
    "/api/v1/namespaces/kube-system/pods?labelSelector=app.kubernetes.io%2Fname%3Dsansproxy-node-init",
  );
  const path = `/api/v1/namespaces/kube-system/pods/${body.items[0].metadata.name}/log`;
  const log = await clientOf(folderOf(cloud.account, "gke-gke")).require([200], "GET", path);
  expect(log.body).toContain(`put aside ${manifests}/kube-proxy.manifest`);
  expect(log.body).toContain("removed kube-proxy's rules from iptables nat");
  expect(await onNode("cat /etc/kubernetes/kube-proxy.manifest.aside")).toContain("name: kube-proxy");
  expect(Date.parse(body.items[0].metadata.creationTimestamp)).toBeGreaterThan(
    started(cloud.account, "create", "gcp:container/nodePool:NodePool"),
  );
});

test("a kube-proxy that comes back, as after a node's upgrade, is taken away again", async () => {
  await onNode(`cp /etc/kubernetes/kube-proxy.manifest.aside ${manifests}/kube-proxy.manifest`);
  await expect.poll(() => onNode(withoutKubeProxy), { timeout: 60_000 }).toBe("");
});

test("a second update changes nothing", async () => {
  await cloud.succeed("up", "--yes", "--skip-preview", "--expect-no-changes");
});

test("other values are rolled out and proved, and touch neither cluster nor nodes", async () => {
  configure({ loadBalancer: { algorithm: "maglev" } });
  const { operations } = await previewOf(cloud);
  const changed = [...operations].filter(([, operation]) => operation !== "same").map(([name]) => name);
  expect(changed.sort()).toEqual(["gke-datapath-release", "gke-verification-run"]);
  await cloud.succeed("up", "--yes", "--skip-preview");
  expect(await provedChecks(cloud)).toHaveProperty("size", 2);
});

test("destroy leaves nothing", async () => {
  await loadBalancerService(cloud.account, clientOf(folderOf(cloud.account, "gke-gke")), "web");
  await cloud.succeed("destroy", "--yes", "--skip-preview");
  expect(cloud.account.list()).toEqual([]);
  expect(await cloud.names()).toEqual([]);
  expect(readFileSync(join(cloud.account.directory, "journal.jsonl"), "utf8")).toContain('"LoadBalancer"');
});
