// SPDX-License-Identifier: Apache-2.0
// The stack eks with the engine cilium on real machines: the stand-in chart serves there, and the proof asks what it asks of Cilium.
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientOf, folderOf } from "../../plugins/clouds/clusters/cluster.ts";
import { copyChart, goldenValues, recordedBy } from "../fixtures/cilium-chart.ts";
import { createMachineCloud, type MachineCloud, networks } from "../fixtures/machine-cloud.ts";
import { provedChecks } from "../fixtures/proof.ts";

let cloud: MachineCloud;
beforeAll(async () => {
  cloud = await createMachineCloud();
  cloud.configure("eks", {
    "aws:region": "us-east-1",
    "sansproxy:eks": { mode: "eni", vpcCidr: networks.vpcCidr },
    "sansproxy:eksNodeGroups": [{ name: "default", desiredSize: 1 }],
    "sansproxy:datapath": {
      engine: "cilium",
      chartSource: copyChart(join(cloud.stack.directory, "chart"), "1.20.0", cloud.agentImage),
    },
    "sansproxy:verification": { image: cloud.agentImage },
  });
});
afterAll(() => cloud?.[Symbol.asyncDispose]());

test("nodes wait with their taint for the datapath, which says of itself that it replaces kube-proxy, and all is proved", async () => {
  await cloud.succeed("up", "--yes", "--skip-preview");
  const client = clientOf(folderOf(cloud.account, "eks-eks"));
  const { values } = await recordedBy(client);
  expect(values).toEqual({
    ...goldenValues("eks-eni"),
    ipv4NativeRoutingCIDR: networks.vpcCidr,
    operator: { replicas: 1, rollOutPods: true },
  });
  expect((await provedChecks(cloud)).get("default-1")).toEqual(
    expect.arrayContaining(["kube-proxy replaced", "agent rolled out", "ClusterIP TCP from pod", "DNS from host"]),
  );
  const { body } = await client.require([200], "GET", "/api/v1/nodes/default-1");
  expect(body.spec.taints ?? []).toEqual([]);
});

test("a datapath that says it does not replace kube-proxy fails the update", async () => {
  const client = clientOf(folderOf(cloud.account, "eks-eks"));
  const path = "/api/v1/namespaces/kube-system/configmaps/cilium-stand-in";
  const { body } = await client.require([200], "GET", path);
  const said = '#!/bin/sh\necho \'{"kube-proxy-replacement":{"mode":"False"}}\'\n';
  await client.require([200], "PUT", path, { ...body, data: { ...body.data, "cilium-dbg": said } });
  // A file that is mounted alone is not renewed in a running Pod.
  const pods = "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dcilium";
  const uids = async () =>
    (await client.require([200], "GET", pods)).body.items.map((pod: { metadata: { uid: string } }) => pod.metadata.uid);
  const [before] = await uids();
  await client.require([200], "DELETE", pods);
  await expect.poll(uids, { timeout: 60_000 }).not.toContain(before);
  const report = await cloud.fail("up", "--yes", "--skip-preview", "--replace", "**eks-verification-run");
  expect(report).toMatch(/kube-proxy replaced[^\n]*default-1[^\n]*KubeProxyReplacement: False/);
});

test("destroy leaves nothing", async () => {
  await cloud.succeed("destroy", "--yes", "--skip-preview");
  expect(cloud.account.list()).toEqual([]);
  expect(await cloud.names()).toEqual([]);
});
