// SPDX-License-Identifier: Apache-2.0
// `sansproxy release-load-balancers`: deletes the Services of type LoadBalancer and waits until the cloud has let go of them.
import { setTimeout as pause } from "node:timers/promises";
import { connectCluster } from "../verify/api-client.ts";
import type { Cluster } from "../verify/cluster.ts";
import { defaultSource, loadKubeconfig } from "../verify/kubeconfig.ts";

/** A Service of type LoadBalancer, as `NAMESPACE/NAME`. */
export interface LoadBalancers {
  list(): Promise<readonly string[]>;
  /** Succeeds also when there is no such Service; returns before its load balancer is gone. */
  remove(service: string): Promise<void>;
}

export interface ReleaseOptions {
  readonly timeoutMs: number;
  readonly pollMs: number;
  readonly write: (text: string) => void;
}

/** True when none is left. The finalizer of the cloud's controller keeps a Service until its load balancer is deleted. */
export const releaseLoadBalancers = async (
  services: LoadBalancers,
  { timeoutMs, pollMs, write }: ReleaseOptions,
): Promise<boolean> => {
  const deadline = performance.now() + timeoutMs;
  const asked = new Set<string>();
  for (;;) {
    const left = await services.list();
    if (left.length === 0) return true;
    for (const service of left.filter((name) => !asked.has(name))) {
      write(`deleting the Service ${service} of type LoadBalancer\n`);
      await services.remove(service);
      asked.add(service);
    }
    if (performance.now() + pollMs >= deadline) {
      write(
        `The cloud has not deleted the load balancers of ${left.join(", ")} within ${timeoutMs / 1000} s; see the events of these Services (kubectl describe service), delete the load balancers in the cloud's console if need be, and destroy again.\n`,
      );
      return false;
    }
    await pause(pollMs);
  }
};

const loadBalancersOf = (cluster: Cluster): LoadBalancers => ({
  list: async () =>
    (await cluster.services())
      .filter(({ spec }) => spec?.type === "LoadBalancer")
      .map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`),
  remove: async (service) => {
    const [namespace = "", name = ""] = service.split("/");
    await cluster.deleteService(namespace, name);
  },
});

/** Gives the exit status. */
export const runReleaseCommand = async (kubeconfig: string | undefined, timeoutMs: number): Promise<number> => {
  const write = (text: string) => void process.stderr.write(text);
  const cluster = connectCluster(loadKubeconfig(defaultSource(kubeconfig)));
  return (await releaseLoadBalancers(loadBalancersOf(cluster), { timeoutMs, pollMs: 3_000, write })) ? 0 : 1;
};
