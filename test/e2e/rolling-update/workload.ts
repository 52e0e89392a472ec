// SPDX-License-Identifier: Apache-2.0
// The Deployment whose Pods are replaced, its Service, and the Pods that ask from inside the cluster.

const image = "registry.k8s.io/e2e-test-images/agnhost:2.63.0";
export const namespace = "rolling-update";
export const deployment = "rolling";
const port = 8080;

/**
 * Of a processor, for all servers together. A Pod that asks for none gets none while the others of its node take all there is, as
 * containers that are being started do: then nobody answers, whatever a proxy does.
 */
const SERVERS_MILLICPU = 1500;

const metadata = (name: string) => ({ name, namespace, labels: { app: name } });

/**
 * Each Pod says its name to whom connects, and goes on with that after SIGTERM until its grace is over, as a server does that
 * finishes its work. It is ready when it has answered. No preStop hook: what comes to a Pod on its way out is ours to see to.
 */
export function rollingService(pods: number): object[] {
  const container = {
    name: "server",
    image,
    // A line for each connection would keep the container runtime busier than the server.
    command: ["sh", "-c", `exec /agnhost serve-hostname --http=false --tcp --port=${port} >/dev/null 2>&1`],
    readinessProbe: { tcpSocket: { port }, periodSeconds: 5 },
    resources: { requests: { cpu: `${SERVERS_MILLICPU / pods}m` } },
  };
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: metadata(deployment),
      spec: {
        replicas: pods,
        strategy: { rollingUpdate: { maxSurge: 4, maxUnavailable: 0 } },
        selector: { matchLabels: { app: deployment } },
        template: {
          metadata: { labels: { app: deployment } },
          spec: { terminationGracePeriodSeconds: 10, containers: [container] },
        },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: metadata(deployment),
      spec: { type: "NodePort", selector: { app: deployment }, ports: [{ port: 80, targetPort: port }] },
    },
  ];
}

const client = { name: "client", image, args: ["pause"], resources: { requests: { cpu: "500m" } } };

/** A Pod that can run a program of ours. */
export const clientPod = (name: string, annotations: Readonly<Record<string, string>> = {}): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { ...metadata(name), annotations },
  spec: { terminationGracePeriodSeconds: 1, containers: [client] },
});
