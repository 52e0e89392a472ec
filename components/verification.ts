// SPDX-License-Identifier: Apache-2.0
// Proves on the live cluster that there is no kube-proxy and that Services answer; the update fails when they do not.

import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { checkedInput, type InputProblem, knownNow, refuseProblems } from "./internal/input-errors.ts";
import { packageRoot, packageVersion } from "./internal/package-root.ts";
import { pinnedImageRule } from "./internal/pinned-image.ts";
import { secondsInput } from "./internal/time-limit.ts";
import { unknownInputs } from "./internal/unknown-inputs.ts";
import { parseReport, reportTable, type VerificationResult } from "./internal/verification-report.ts";
import type { KubernetesCluster } from "./kubernetes-cluster.ts";

export type { VerificationCheck, VerificationResult } from "./internal/verification-report.ts";

/** Inputs of Verification. */
export interface VerificationArgs {
  /** The cluster to verify. */
  cluster: KubernetesCluster;
  /** The datapath's `effectiveValues`: verification runs again when they change. */
  // biome-ignore lint/suspicious/noExplicitAny: a tree of chart values; the schema of components knows no `unknown`.
  effectiveValues: pulumi.Input<{ [key: string]: any }>;
  /**
   * What serves Services: `agent`, `cilium`, or `dataplane-v2` (Google's own).
   * @default "agent"
   */
  datapath?: string;
  /**
   * Image of the probes, when another datapath than `agent` serves Services: there none of ours runs that names one.
   * @default the agent's image of this version
   */
  image?: pulumi.Input<string>;
  /**
   * How long, in seconds, to wait until every node and its agent are ready and every Service answers.
   * @default 600
   */
  timeoutSeconds?: pulumi.Input<number>;
}

const verificationInputs: readonly (keyof VerificationArgs)[] = [
  "cluster",
  "effectiveValues",
  "datapath",
  "image",
  "timeoutSeconds",
];

/** The proof that a cluster serves its Services without kube-proxy. */
export class Verification extends pulumi.ComponentResource {
  /** Every check on every node, with what was seen and how long it took. */
  readonly result: pulumi.Output<VerificationResult>;
  /** The same as a table for a person. */
  readonly table: pulumi.Output<string>;

  constructor(name: string, args: VerificationArgs, opts?: pulumi.ComponentResourceOptions) {
    const { cluster, datapath = "agent" } = args;
    const what = `Verification "${name}"`;
    const probes = args.image ?? `ghcr.io/sansproxy/agent:${packageVersion}`;
    const imageRule = (named: string) => pinnedImageRule("image", named);
    const imageNow = knownNow(probes);
    refuseProblems(what, [
      ...unknownInputs(args, verificationInputs),
      ...verifiedDatapathRule(datapath),
      ...(imageNow === undefined ? [] : imageRule(imageNow)),
    ]);
    const seconds = secondsInput(what, args.timeoutSeconds ?? 600);
    super("sansproxy:index:Verification", name, {}, opts);

    const values = pulumi.output(args.effectiveValues);
    const nodeNames = pulumi.output(cluster.nodes).apply((nodes) => nodes.map((node) => node.name).sort());
    // A cloud names its nodes itself: there the groups are waited for, and every node that is there is verified.
    const nodes = nodeNames.apply((names) =>
      names.length === 0 ? "--output=json" : `--expect-nodes=${names.join(",")}`,
    );
    const image = checkedInput(probes, what, imageRule);
    const other = datapath === "agent" ? [] : [`--datapath=${datapath}`, image.apply((named) => `--image=${named}`)];
    const timeout = pulumi.interpolate`--timeout=${seconds}s`;
    const run = new local.Command(
      `${name}-run`,
      {
        // The program itself is the interpreter: no shell ever sees a node's name.
        interpreter: ["node", "agent/sansproxy.mjs", "verify", "--kubeconfig=-", "--output=json", timeout, ...other],
        create: nodes,
        update: nodes,
        dir: packageRoot,
        stdin: pulumi.secret(cluster.kubeconfig),
        triggers: [
          cluster.nodes,
          values,
          packageVersion,
          cluster.kubernetesVersion,
          ...(cluster.nodeGroups === undefined ? [] : [cluster.nodeGroups]),
        ],
        logging: local.Logging.Stderr,
        addPreviousOutputInEnv: false,
      },
      // What this component waits for, its command has to wait for: a child does not do so by itself.
      {
        parent: this,
        ...(opts?.dependsOn === undefined ? {} : { dependsOn: opts.dependsOn }),
        ...(opts?.deletedWith === undefined ? {} : { deletedWith: opts.deletedWith }),
      },
    );
    // The report holds no secret: only the kubeconfig that went in does.
    this.result = pulumi.unsecret(run.stdout).apply(parseReport);
    this.table = this.result.apply(reportTable);
    this.registerOutputs({ result: this.result, table: this.table });
  }
}

function verifiedDatapathRule(datapath: string): InputProblem[] {
  if (["agent", "cilium", "dataplane-v2"].includes(datapath)) return [];
  return [
    {
      propertyPath: "datapath",
      reason: `is "${datapath}"; use "agent", "cilium" or "dataplane-v2", as the cluster has it.`,
    },
  ];
}
