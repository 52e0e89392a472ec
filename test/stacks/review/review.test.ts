// SPDX-License-Identifier: Apache-2.0
// What a review says of recorded previews, kept as files a person can read, and of what none of them shows.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseGates, stopped } from "../../../stacks/review/gate.ts";
import { markdownOf } from "../../../stacks/review/markdown.ts";
import { stepsInOrder } from "../../../stacks/review/order.ts";
import { readPreview } from "../../../stacks/review/preview.ts";
import { reviewOf } from "../../../stacks/review/review.ts";
import { previewOf, release, stackStep } from "./preview-of.ts";
import { recordedPreview } from "./recorded.ts";

const review = (json: string) => reviewOf(readPreview(json));
const markdown = (json: string): string => markdownOf(review(json));
const values = (more: object = {}) => ({
  values: { kubeProxyReplacement: true, k8sServiceHost: "10.0.0.1", k8sServicePort: 6443, ...more },
});

describe("a recorded preview", () => {
  test.each(["bare-metal-new", "cilium-unchanged", "cilium-changed"])(
    "is reviewed as in golden/%s.md",
    async (name) => {
      await expect(markdown(recordedPreview(name))).toMatchFileSnapshot(
        join(import.meta.dirname, "golden", `${name}.md`),
      );
    },
  );
});

describe("values", () => {
  test("of a datapath that is removed are nobody's: connections are cut", () => {
    const of = review(previewOf([stackStep, release(values(), undefined, "delete")]));
    expect(of.effect).toBe("flows-reset");
    expect(markdownOf(of)).toContain("nobody takes over the Services");
  });

  test("that leave the set, change inside lists, or are only known later are all seen", () => {
    const before = values({
      debug: { enabled: true },
      ipam: { operator: { clusterPoolIPv4PodCIDRList: ["10.0.0.0/16"] } },
    });
    const after = values({
      k8sServiceHost: "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
      ipam: { operator: { clusterPoolIPv4PodCIDRList: ["10.1.0.0/16"] } },
    });
    const changes = review(previewOf([stackStep, release(before, after)])).datapaths[0]?.change.values ?? [];
    expect(changes.map(({ path, effect }) => [path, effect])).toEqual([
      ["debug.enabled", "none"],
      ["ipam.operator.clusterPoolIPv4PodCIDRList", "node-restart"],
      ["k8sServiceHost", "none"],
    ]);
  });

  test("that the preview hides are taken for the worst a rollout can do", () => {
    const of = review(previewOf([stackStep, release({ values: "[secret]" }, { values: "[secret]" })]));
    expect(of.effect).toBe("flows-reset");
    expect(markdownOf(of)).toContain("assume the worst");
  });

  test.each([
    ["1.20.0", "1.20.1", "new-flows"],
    ["1.20.1", "1.21.0", "flows-reset"],
  ])("chart %s to %s: %s", (from, to, effect) => {
    const steps = [stackStep, release({ ...values(), version: from }, { ...values(), version: to })];
    expect(review(previewOf(steps)).effect).toBe(effect);
  });

  const local = (checksum: string, more: object = {}) => ({ ...values(), chart: "/charts/cilium", checksum, ...more });

  test.each([
    ["other contents in the same folder", local("a"), local("b"), "`/charts/cilium, with other contents`"],
    ["another archive", local("a"), local("b", { chart: "/charts/cilium-1.21.0.tgz" }), "`/charts/cilium-1.21.0.tgz`"],
    ["a folder in place of a repository", { ...values(), version: "1.20.0" }, local("b"), "`/charts/cilium`"],
    [
      "another archive, and a value",
      local("a"),
      local("b", { chart: "/charts/cilium-1.21.0.tgz", ...values({ debug: { enabled: true } }) }),
      "`/charts/cilium-1.21.0.tgz`",
    ],
    [
      "other contents of one version",
      local("a", { version: "1.20.0" }),
      local("b", { version: "1.20.0" }),
      "`/charts/cilium, with other contents`",
    ],
  ])("stay, and the chart is another one of unknown effect: %s", (_what, before, after, shown) => {
    const of = review(previewOf([stackStep, release(before, after)]));
    expect(stopped(of, ["flows-reset"])).toHaveLength(1);
    const row = markdownOf(of)
      .split("\n")
      .find((line) => line.startsWith("| `(the chart)`"));
    expect(row).toContain(shown);
    expect(row).toContain("its version is not known here: take the worst");
  });

  test.each([
    ["in another folder", local("a"), local("a", { chart: "/moved/cilium" }), "none"],
    [
      "of one version from another source",
      local("a", { version: "1.20.0", checksum: undefined }),
      local("a", { version: "1.20.0", chart: "oci://registry.example.com/cilium", checksum: undefined }),
      "none",
    ],
    ["that renders a changed value", local("a"), local("b", values({ socketLB: { enabled: true } })), "new-flows"],
    ["whose values nobody sees", local("a", { values: "[secret]" }), local("b", { values: "[secret]" }), "flows-reset"],
  ])("say nothing of the chart %s", (_what, before, after, effect) => {
    const of = review(previewOf([stackStep, release(before, after)]));
    expect(of.effect).toBe(effect);
    expect(markdownOf(of)).not.toContain("(the chart)");
  });
});

describe("the memory of Cilium's maps", () => {
  const said = (mib: number, fill: string) => ({
    severity: "info",
    urn: "urn:pulumi:prod::shop::sansproxy:index:Datapath::datapath",
    message: `Datapath "datapath": Cilium's maps take about ${mib} MiB on a node of 8192 MiB ${fill}; the largest: NAT.\n`,
  });
  const [full, loaded] = [said(80, "(assumed) with full Service maps"), said(67, "under the expected load")];

  test.each([
    ["no load before and after", 80, full, "with full Service maps on a node of 8192 MiB: 80 MiB before, **80 MiB**"],
    ["a load before and after", 66, loaded, "on a node, for the expected load: 66 MiB before, **67 MiB**"],
    ["a load from now on", 80, loaded, "with full Service maps on a node of 8192 MiB: 80 MiB before, **80 MiB**"],
    ["a load no more", 66, full, "with full Service maps on a node of 8192 MiB: 80 MiB before, **80 MiB**"],
  ])("is told for what it was computed: %s", (_what, predictedMapMemoryMib, message, says) => {
    const type = "sansproxy:index:Datapath";
    const datapath = { op: "same", type, name: "datapath", before: {}, after: {}, outputs: { predictedMapMemoryMib } };
    const steps = [stackStep, datapath, { ...release(values(), values()), parent: "datapath" }];
    expect(markdown(previewOf(steps, [message]))).toContain(`Map memory ${says} after`);
  });
});

describe("secrets", () => {
  const kubeconfig = "apiVersion: v1\nusers:\n- user:\n    client-key-data: VEhFLUtFWQ==\n";

  test("are never shown, not even those that are in the clear, and those are a violation", () => {
    const of = previewOf([
      { ...stackStep, outputs: { kubeconfig } },
      {
        op: "create",
        type: "command:local:Command",
        name: "tool",
        after: { create: "x", environment: { KEY: "-----BEGIN PRIVATE KEY-----\nAAAA" } },
      },
      release(
        values({ maglev: { hashSeed: "old-seed" } }),
        values({ maglev: { hashSeed: "new-seed" }, extraConfig: { bearer: "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dX" } }),
      ),
    ]);
    const text = markdown(of);
    for (const secret of ["VEhFLUtFWQ", "AAAA", "old-seed", "new-seed", "eyJzdWIi"]) expect(text).not.toContain(secret);
    expect(text).toContain("`maglev.hashSeed` | *secret* | *secret*");
    expect(text).toContain("a kubeconfig with its credentials in the clear, at output.kubeconfig");
    expect(text).toContain("a private key in the clear, at environment.KEY");
    expect(stopped(review(of), ["policy"])).not.toEqual([]);
  });

  test("a stack that marks its kubeconfig secret gives nothing away", () => {
    expect(review(previewOf([{ ...stackStep, outputs: { kubeconfig: "[secret]" } }])).policy.violations).toEqual([]);
  });
});

describe("text from the stack", () => {
  test("cannot become markup, a mention or another cell", () => {
    const name = "a|b`c`<img src=x>@team";
    const text = markdown(
      previewOf([
        stackStep,
        { op: "create", type: "command:remote:Command", name, after: { connection: { host: "h" } } },
      ]),
    );
    const row = text.split("\n").find((line) => line.startsWith("| `ssh-host-key`")) ?? "";
    expect(row.split(/(?<!\\)\|/)).toHaveLength(5);
    expect(text).toContain("#60;img src=x#62;");
    expect(text).not.toMatch(/^[^`]*<img/m);
  });
});

describe("the order of steps", () => {
  test("goes through what stays, and deletes users before what they use", () => {
    const step = (op: string, name: string, waitsFor: string[] = []) => ({
      op,
      type: "x:y:Z",
      name,
      waitsFor,
      before: {},
      after: {},
    });
    const { forward, deletions } = stepsInOrder(
      readPreview(
        previewOf([
          stackStep,
          step("create", "first"),
          step("same", "bridge", ["first"]),
          step("create", "last", ["bridge"]),
          step("delete", "base"),
          step("delete", "user", ["base"]),
        ]),
      ),
    );
    const names = (waves: typeof forward) => waves.map((wave) => wave.map(({ name }) => name));
    expect(names(forward)).toEqual([["first"], ["last"]]);
    expect(names(deletions)).toEqual([["user"], ["base"]]);
  });
});

describe("what cannot be reviewed", () => {
  test.each([
    ["nothing", "", 'is not JSON: make it with "pulumi preview --json --show-sames"'],
    ["half a file", '{"steps": [', "is not complete JSON"],
    [
      "a failed preview",
      '{"diagnostics":[{"severity":"error","message":"error: no cluster"}]}',
      "no resources: error: no cluster",
    ],
    ["an unknown operation", '{"steps":[{"op":"melt","urn":"urn:pulumi:a::b::c::d"}]}', '"melt"'],
  ])("%s is an error with its reason", (_what, json, reason) => {
    expect(() => readPreview(json)).toThrow(reason);
  });

  test("warnings before the document are passed over", () => {
    expect(readPreview(`warning: a plugin\n${previewOf([stackStep])}`)).toMatchObject({
      stack: "prod",
      project: "shop",
    });
  });

  test("a gate that does not exist is named with those that do", () => {
    expect(() => parseGates("policy,trafic")).toThrow('"trafic" is nothing to fail on; use new-flows');
  });
});
