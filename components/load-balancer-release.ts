// SPDX-License-Identifier: Apache-2.0
// Deletes the Services of type LoadBalancer when the cluster is destroyed, while nodes and cloud controller still run.

import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { refuseProblems } from "./internal/input-errors.ts";
import { packageRoot } from "./internal/package-root.ts";
import { secondsInput } from "./internal/time-limit.ts";
import { unknownInputs } from "./internal/unknown-inputs.ts";
import type { KubernetesCluster } from "./kubernetes-cluster.ts";

/** Inputs of LoadBalancerRelease. */
export interface LoadBalancerReleaseArgs {
  /** The cluster whose load balancers go before its nodes do; this component has to depend on the nodes. */
  cluster: KubernetesCluster;
  /**
   * How long, in seconds, the cloud may take to delete them.
   * @default 600
   */
  timeoutSeconds?: pulumi.Input<number>;
}

const loadBalancerReleaseInputs: readonly (keyof LoadBalancerReleaseArgs)[] = ["cluster", "timeoutSeconds"];

/** Nothing while the cluster lives; at its end, no load balancer outlives it, with its addresses and its bill. */
export class LoadBalancerRelease extends pulumi.ComponentResource {
  constructor(name: string, args: LoadBalancerReleaseArgs, opts?: pulumi.ComponentResourceOptions) {
    const { cluster, timeoutSeconds = 600 } = args;
    const what = `LoadBalancerRelease "${name}"`;
    refuseProblems(what, unknownInputs(args, loadBalancerReleaseInputs));
    const timeout = secondsInput(what, timeoutSeconds);
    super("sansproxy:index:LoadBalancerRelease", name, {}, opts);

    new local.Command(
      `${name}-release`,
      {
        create: "true",
        update: "true",
        delete: pulumi.interpolate`node agent/sansproxy.mjs release-load-balancers --kubeconfig=- --timeout=${timeout}s`,
        dir: packageRoot,
        stdin: pulumi.secret(cluster.kubeconfig),
        // A cluster that is replaced ends as well.
        triggers: [cluster.identifier ?? cluster.name],
        logging: local.Logging.Stderr,
        addPreviousOutputInEnv: false,
      },
      { parent: this, ...(opts?.dependsOn === undefined ? {} : { dependsOn: opts.dependsOn }) },
    );
    this.registerOutputs({});
  }
}
