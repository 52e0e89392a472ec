// SPDX-License-Identifier: Apache-2.0
// The workloads that the tests of the local stack put into its cluster.

const image = "registry.k8s.io/e2e-test-images/agnhost:2.63.0";
const metadata = (name: string) => ({ name, namespace: "default", labels: { app: name } });
const selector = (name: string) => ({ matchLabels: { app: name } });

/** Pods that answer with their own name, on TCP port 8080 at `/hostname` and on UDP port 8081, and for a while when told to end. */
export function webServers(replicas: number): object[] {
  const container = {
    name: "web",
    image,
    args: ["netexec", "--http-port=8080", "--udp-port=8081", "--delay-shutdown=8"],
    readinessProbe: { httpGet: { path: "/hostname", port: 8080 }, periodSeconds: 1 },
  };
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: metadata("web"),
      spec: {
        replicas,
        selector: selector("web"),
        template: { metadata: { labels: { app: "web" } }, spec: podSpec(container, 15) },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: metadata("web"),
      spec: {
        type: "NodePort",
        selector: { app: "web" },
        ports: [
          { name: "http", protocol: "TCP", port: 80, targetPort: 8080 },
          { name: "udp", protocol: "UDP", port: 80, targetPort: 8081 },
        ],
      },
    },
  ];
}

/** One idle Pod on every node, in the node's own network, that can run clients. */
export function hostClients(): object {
  const container = { name: "client", image, args: ["pause"] };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: metadata("host-client"),
    spec: {
      selector: selector("host-client"),
      template: {
        metadata: { labels: { app: "host-client" } },
        spec: { ...podSpec(container, 1), hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" },
      },
    },
  };
}

/** Name of the RuntimeClass whose Pods ask for their packets to be served; it runs them like any other. */
export const sandboxed = "sandboxed";

export const runtimeClass = (): object => ({
  apiVersion: "node.k8s.io/v1",
  kind: "RuntimeClass",
  metadata: { name: sandboxed },
  handler: "runc",
});

interface ClientOptions {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly runtimeClassName?: string;
  readonly command?: readonly string[];
}

/** A Pod that is idle unless it is given a command. */
export function clientPod(name: string, { annotations = {}, runtimeClassName, command }: ClientOptions = {}): object {
  const container = { name: "client", image, ...(command === undefined ? { args: ["pause"] } : { command }) };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata(name), annotations },
    spec: { ...podSpec(container, 1), ...(runtimeClassName === undefined ? {} : { runtimeClassName }) },
  };
}

/**
 * Asks for the name behind a UDP Service again and again over one connected socket, until that gives an error; then over a
 * new one. Logs a line for each answer.
 */
export const connectedDatagrams = (name: string): readonly string[] => [
  "bash",
  "-c",
  `while exec 3<>/dev/udp/${name}/80
   do while echo hostname >&3 && timeout 2 dd bs=1500 count=1 status=none <&3; do echo; sleep 0.2; done
   done`,
];

/** For every node, the control planes too, as long as it is not cordoned. */
function podSpec(container: object, terminationGracePeriodSeconds: number): object {
  const tolerations = [{ key: "node-role.kubernetes.io/control-plane", operator: "Exists" }];
  return { terminationGracePeriodSeconds, tolerations, containers: [container] };
}
