// SPDX-License-Identifier: Apache-2.0
// The whole life of the stack eks with the engine cilium on a simulated AWS, whose hollow nodes run no Pods: the proof is left out.
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { tokens as eksTokens } from "../plugins/aws/clusters.ts";
import { tokens as network } from "../plugins/aws/network.ts";
import { clientOf, folderOf } from "../plugins/clouds/clusters/cluster.ts";
import { arm } from "../plugins/clouds/faults.ts";
import { copyChart, goldenValues, recordedBy } from "./fixtures/cilium-chart.ts";
import { type CloudStack, createCloudStack } from "./fixtures/cloud-stack.ts";
import { expectReview } from "./fixtures/golden-review.ts";
import { finished, started } from "./fixtures/journal.ts";
import { loadBalancerService } from "./fixtures/load-balancer.ts";
import { previewOf } from "./fixtures/preview.ts";

let cloud: CloudStack;
let charts: string;

beforeEach(async () => {
  cloud = await createCloudStack();
  charts = join(cloud.stack.directory, "charts");
});
afterEach(() => cloud[Symbol.asyncDispose]());

const up = (...args: string[]) => cloud.succeed("up", "--yes", "--skip-preview", ...args);
const destroy = () => cloud.succeed("destroy", "--yes", "--skip-preview");

const eks = (mode: string, more: object = {}, version = "1.20.0", options: object = {}) =>
  cloud.configure("eks", {
    "aws:region": "us-east-1",
    "sansproxy:eks": { mode, ...more },
    "sansproxy:datapath": {
      engine: "cilium",
      version,
      chartSource: copyChart(join(charts, version), version),
      ...options,
    },
  });

test("EKS in mode eni: throttled, failed half-way, gone on with, unchanged, upgraded, and destroyed with what was left behind", async () => {
  eks("eni");
  const { account } = cloud;
  const { minuteMs } = account.settings;
  const throttled = {
    call: "create",
    type: eksTokens.nodeGroup,
    kind: "throttle",
    error: "ThrottlingException",
  } as const;
  arm(account, throttled, 3);
  arm(account, {
    call: "create",
    type: eksTokens.addon,
    name: "coredns",
    kind: "error",
    error: "InternalFailure: later",
  });
  expect(await cloud.fail("up", "--yes", "--skip-preview")).toContain("InternalFailure: later");

  // What is slow is waited for, and what is throttled is asked again.
  const cluster = finished(account, "create", eksTokens.cluster);
  expect(cluster - started(account, "create", eksTokens.cluster)).toBeGreaterThanOrEqual(9 * minuteMs);
  expect(account.list(eksTokens.nodeGroup)).toHaveLength(1);
  const client = clientOf(folderOf(account, "eks-eks"));
  const first = await recordedBy(client);
  expect(first.values).toEqual(goldenValues("eks-eni"));
  // Creation times have whole seconds.
  expect(first.created.getTime() + 1000).toBeGreaterThan(cluster);
  expect(first.created.getTime()).toBeLessThanOrEqual(started(account, "create", eksTokens.nodeGroup));

  expect(await up()).toMatch(/eks-nodes-coredns.*created/);
  expect(finished(account, "create", eksTokens.nodeGroup)).toBeLessThan(
    finished(account, "create", eksTokens.addon, "coredns"),
  );
  await up("--expect-no-changes");

  eks("eni", { kubernetesVersion: "1.36" }, "1.20.1", { loadBalancer: { algorithm: "maglev" } });
  await expectReview(cloud, await previewOf(cloud), "review-eks-upgraded");
  const upgraded = await up();
  // Only the proof is made anew.
  const anew = [...upgraded.matchAll(/(\S+) (?:replaced|deleted) \(/g)].map(([, name]) => name);
  expect(new Set(anew)).toEqual(new Set(["eks-verification-run"]));
  const later = await recordedBy(client);
  expect(later.chart).toBe("cilium-1.20.1");
  const { loadBalancer, ...rest } = goldenValues("eks-eni") as { loadBalancer: object };
  expect(later.values).toEqual({ ...rest, loadBalancer: { ...loadBalancer, algorithm: "maglev" } });
  expect(finished(account, "update", eksTokens.cluster)).toBeLessThan(started(account, "update", eksTokens.nodeGroup));

  await loadBalancerService(account, client, "web");
  // What a CNI plugin put beside a node's own interface outlives the node.
  const subnetId = account.list(network.subnet)[0]?.id ?? "";
  const left = { subnetId, description: "aws-K8S-i-0123", status: "available" };
  account.put({ type: network.interface, id: "eni-left", name: "left", inputs: left, outputs: left });
  await destroy();
  expect(account.list()).toEqual([]);
  expect(account.clusters()).toEqual([]);
});
