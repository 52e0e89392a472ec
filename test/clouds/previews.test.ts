// SPDX-License-Identifier: Apache-2.0
// The first preview of all three clusters, before anything exists: readable, and unknown only where a cloud has to answer first.
import { afterEach, beforeEach, expect, test } from "vitest";
import { goldenValues } from "./fixtures/cilium-chart.ts";
import { type CloudStack, createCloudStack } from "./fixtures/cloud-stack.ts";
import { expectReview } from "./fixtures/golden-review.ts";
import { type Preview, previewOf } from "./fixtures/preview.ts";

let cloud: CloudStack;
beforeEach(async () => {
  cloud = await createCloudStack();
});
afterEach(() => cloud[Symbol.asyncDispose]());

/** What nobody can know yet, in a file that a person reads; everything else is known. */
const firstPreview = async (engine: string, mode: string): Promise<Preview> => {
  cloud.configure("multi-cloud", {
    "aws:region": "us-east-1",
    "gcp:project": "trial-project",
    "sansproxy:datapath": { engine },
    "sansproxy:eks": { mode },
    "sansproxy:gke": { location: "europe-west1", mode: "self-managed", podCidr: "10.4.0.0/14" },
    "sansproxy:bareMetal": {
      hosts: [{ name: "cp", role: "control-plane", address: "192.0.2.11", insecureIgnoreHostKey: true }],
    },
    "sansproxy:sshKey": "not used before there is a host to reach",
  });
  const preview = await previewOf(cloud);
  await expect(`${preview.unknowns.join("\n")}\n`).toMatchFileSnapshot(`golden/unknown-with-${engine}.txt`);
  await expectReview(cloud, preview, `review-all-new-with-${engine}`);
  expect(cloud.account.list()).toEqual([]);
  return preview;
};

test("Cilium's values are all shown, as they were reviewed", async () => {
  const { inputs } = await firstPreview("cilium", "eni");
  expect(inputs.get("eks-datapath-release")?.["values"]).toEqual(goldenValues("eks-eni"));
  expect(inputs.get("gke-datapath-release")?.["values"]).toEqual(goldenValues("gke-self-managed"));
});

test("the agent's values are all shown, and refer to what is not known in a cloud", async () => {
  const { inputs } = await firstPreview("agent", "agent");
  const reference = { k8sServiceHostRef: { name: "sansproxy-api-server", key: "host" }, k8sServicePort: 443 };
  expect(inputs.get("eks-datapath-release")?.["values"]).toMatchObject(reference);
  expect(inputs.get("gke-datapath-release")?.["values"]).toMatchObject(reference);
  // A server of one's own has its address from the beginning.
  expect(inputs.get("metal-datapath-release")?.["values"]).toMatchObject({ k8sServiceHost: "192.0.2.11" });
});
