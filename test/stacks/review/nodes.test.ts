// SPDX-License-Identifier: Apache-2.0
// What a review says of clusters, nodes and groups of nodes.
import { describe, expect, test } from "vitest";
import { stopped } from "../../../stacks/review/gate.ts";
import { markdownOf } from "../../../stacks/review/markdown.ts";
import { readPreview } from "../../../stacks/review/preview.ts";
import { reviewOf } from "../../../stacks/review/review.ts";
import { clusterStep, joinStep, previewOf, stackStep, upgradeStep } from "./preview-of.ts";

const review = (json: string) => reviewOf(readPreview(json));
const markdown = (json: string): string => markdownOf(review(json));

describe("nodes and clusters", () => {
  test("a node that leaves needs a drain, and the rollback does not bring its disks back", () => {
    const of = review(
      previewOf([stackStep, clusterStep("same"), joinStep("delete", "worker-2"), joinStep("same", "worker-1")]),
    );
    expect(of.effect).toBe("node-restart");
    const text = markdownOf(of);
    expect(text).toContain("node `worker-2` | ➖ removed | leaves | **node restart**");
    expect(text).toContain("2 stay as they are");
    expect(text).toContain("come back empty: worker-2");
    expect(stopped(of, ["cluster-loss"])).toEqual([]);
  });

  test("another version of Kubernetes drains each node, and only it does", () => {
    const of = (to: string) => {
      const steps = ["upgrade", "worker-1-upgrade"].map((step) => upgradeStep(step, "v1.36.2", to));
      const init = { ...joinStep("same", "worker-1"), name: "metal-init" };
      return review(previewOf([stackStep, clusterStep("same"), init, joinStep("same", "worker-1"), ...steps]));
    };
    expect(of("v1.36.2").effect).toBe("none");
    expect(of("v1.36.3").effect).toBe("node-restart");
    const nodes = of("v1.36.3").members.filter(({ kind }) => kind === "node");
    expect(nodes.map(({ name, operation, what }) => `${name}: ${operation}, ${what}`)).toEqual([
      "first control plane: update, is drained and goes from v1.36.2 to v1.36.3 in its turn",
      "worker-1: update, is drained and goes from v1.36.2 to v1.36.3 in its turn",
    ]);
  });

  test("a replacement is one change, whatever number of steps the engine makes of it", () => {
    const steps = ["create-replacement", "replace", "delete-replaced"].map((op) => joinStep(op, "worker-1"));
    const of = review(previewOf([stackStep, clusterStep("same"), ...steps]));
    expect(of.members.filter(({ kind }) => kind === "node")).toHaveLength(1);
    expect(of.members.at(-1)).toMatchObject({ name: "worker-1", operation: "replace", effect: "node-restart" });
  });

  test.each([
    [
      "aws:eks/nodeGroup:NodeGroup",
      ["tags", "version"],
      "node-restart",
      "are drained and made anew because of version",
    ],
    ["aws:eks/nodeGroup:NodeGroup", ["scalingConfig"], "none", "is changed in place because of scalingConfig"],
    [
      "gcp:container/nodePool:NodePool",
      ["nodeConfig"],
      "node-restart",
      "are drained and made anew because of nodeConfig",
    ],
    ["gcp:container/nodePool:NodePool", ["autoscaling"], "none", "is changed in place because of autoscaling"],
  ])("a group %s changed in %j: %s", (type, because, effect, says) => {
    const group = { op: "update", type, name: "workers", before: { version: "1.34" }, after: { taints: [] }, because };
    const of = review(previewOf([stackStep, group]));
    expect(of.effect).toBe(effect);
    expect(markdownOf(of)).toContain(says);
    expect(stopped(of, ["node-restart"])).toHaveLength(effect === "none" ? 0 : 1);
    expect(markdownOf(of).includes("made anew a second time: workers")).toBe(effect === "node-restart");
  });

  const [aws, google] = [
    { op: "create", type: "aws:eks/nodeGroup:NodeGroup", name: "workers" },
    { op: "create", type: "gcp:container/nodePool:NodePool", name: "workers" },
  ];
  const later = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
  const component = { ...stackStep, type: "sansproxy:index:EksCluster", name: "shop" };
  const plane = { op: "create", type: "aws:eks/cluster:Cluster", name: "plane", after: {} };

  test.each([
    ["shop", { ...aws, after: { clusterName: later }, madeOf: { clusterName: ["plane"] } }, { parent: "shop" }],
    ["shop", { ...google, after: { cluster: "shop-1" }, madeOf: { cluster: ["plane"] } }, { parent: "shop" }],
    ["plane", { ...google, after: { cluster: later }, madeOf: { cluster: ["plane"] } }, {}],
    ["elsewhere", { ...aws, after: { clusterName: "elsewhere" }, madeOf: { subnetIds: ["plane"] } }, {}],
    ["", { ...aws, after: { clusterName: later } }, {}],
    ["", { ...aws, after: { clusterName: "[secret]" } }, {}],
  ])("a group outside of its cluster's component is told with the cluster %j", (cluster, group, within) => {
    const text = markdown(previewOf([stackStep, component, { ...plane, ...within }, group]));
    expect(text).toContain(`| ${cluster} | node group \`workers\``);
  });

  test("a control plane that gets a newer Kubernetes is changed in place, and no rollback takes it back", () => {
    const cluster = { op: "update", type: "aws:eks/cluster:Cluster", name: "prod", because: ["version"] };
    const state = (version: string) => ({ version, bootstrapSelfManagedAddons: false });
    const of = review(previewOf([stackStep, { ...cluster, before: state("1.34"), after: state("1.35") }]));
    expect(of.effect).toBe("none");
    expect(stopped(of, ["cluster-loss", "node-restart"])).toEqual([]);
    expect(markdownOf(of)).toContain("a cloud takes none back to an older Kubernetes");
  });

  test("a cluster that is made anew is lost, and a pipeline can be stopped for it", () => {
    const cluster = {
      op: "replace",
      type: "aws:eks/cluster:Cluster",
      name: "prod",
      before: {},
      after: { bootstrapSelfManagedAddons: false },
      because: ["roleArn"],
    };
    const of = review(previewOf([stackStep, cluster]));
    expect(stopped(of, ["cluster-loss"])).toEqual(["the cluster prod (control plane) does not survive"]);
    expect(markdownOf(of)).toContain("No rollback brings back what was in prod");
    expect(markdownOf(of)).toContain("because of roleArn");
  });
});
