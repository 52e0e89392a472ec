// SPDX-License-Identifier: Apache-2.0
// The simulated GKE under the real engine: order, protection, failures and leftovers behave as Google's own do.
import { afterEach, beforeEach, expect, test } from "vitest";
import { clientOf, folderOf, readyNodeNames } from "../plugins/clouds/clusters/cluster.ts";
import { arm } from "../plugins/clouds/faults.ts";
import { type CloudStack, createCloudStack } from "./fixtures/cloud-stack.ts";
import { gkeProgram } from "./fixtures/gke-program.ts";

let cloud: CloudStack;

beforeEach(async () => {
  cloud = await createCloudStack();
  await cloud.succeed("config", "set", "gcp:project", "trial");
});
afterEach(() => cloud[Symbol.asyncDispose]());

test("a cluster half made is completed, used through its own credentials, protected, and leaves nothing behind", async () => {
  cloud.stack.write(gkeProgram({ cluster: "" }));
  const pool = "gcp:container/nodePool:NodePool";
  arm(cloud.account, {
    call: "create",
    type: pool,
    kind: "error",
    error: "googleapi: Error 503: try again, backendError",
  });
  expect(await cloud.fail("up", "--yes", "--skip-preview")).toContain("Error 503: try again");
  expect(cloud.account.list(pool)).toEqual([]);

  expect(await cloud.succeed("up", "--yes")).toContain('services: "10.36.0.0/20"');
  const directory = folderOf(cloud.account, "gke-main");
  expect(await readyNodeNames(directory)).toEqual(["main-pool-1", "main-pool-2"]);
  const { body } = await clientOf(directory).require([200], "GET", "/api/v1/nodes/main-pool-1");
  expect(body.spec.taints).toContainEqual({ key: "dedicated", value: "gpu", effect: "NoSchedule" });
  expect(body.metadata.labels).toHaveProperty(["cloud.google.com/gke-nodepool"], "pool");

  expect(await cloud.fail("destroy", "--yes", "--skip-preview")).toContain("deletion_protection is set to true");
  cloud.stack.write(gkeProgram());
  const again = await cloud.succeed("up", "--yes", "--skip-preview");
  expect(again).toContain("1 updated");
  await cloud.succeed("destroy", "--yes", "--skip-preview");
  expect(cloud.account.list()).toEqual([]);
  expect(cloud.account.clusters()).toEqual([]);
});
