// SPDX-License-Identifier: Apache-2.0
// The Kubernetes objects of one verification: a namespace of its own and, in it, backends, Services and probe Pods.
import type {
  V1ConfigMap,
  V1Container,
  V1DaemonSet,
  V1Namespace,
  V1Pod,
  V1SecurityContext,
  V1Service,
  V1ServiceAccount,
} from "@kubernetes/client-node";
import type { Origin } from "./checks.ts";
import type { ProbeTargets } from "./targets.ts";

export const RUN_LABEL = "sansproxy.io/verification";
export const OWNER_ANNOTATION = "sansproxy.io/verification-owner";
export const EXPIRES_ANNOTATION = "sansproxy.io/verification-expires";
export const ROLE_LABEL = "sansproxy.io/verification-role";
export const NODE_LABEL = "sansproxy.io/verification-node";
export const ECHO = "echo";
const ECHO_NODE_PORT = "echo-nodeport";
export const ECHO_PORT = 7007;
const TARGETS_FOLDER = "/etc/sansproxy-verify";
const SERVICE_ACCOUNT = "probe";

export interface RunIdentity {
  readonly namespace: string;
  /** Who made it, so that a later run can tell whether that process still lives. */
  readonly owner: string;
  /** ISO time after which the namespace is a leftover, whoever made it. */
  readonly expires: string;
  readonly image: string;
  readonly pullSecrets: readonly string[];
}

const command = (...args: string[]): string[] => ["/usr/local/bin/node", "/opt/sansproxy/dist/agent/cli.js", ...args];
const tolerateEverything = [{ operator: "Exists" }];
const unprivileged: V1SecurityContext = {
  runAsUser: 65534,
  runAsGroup: 65534,
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
/** Listing netfilter rules takes NET_ADMIN, and NET_RAW for the legacy tables (iptables-legacy-save opens a raw socket). */
const netfilterReader: V1SecurityContext = {
  runAsUser: 0,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW"] },
  seccompProfile: { type: "RuntimeDefault" },
};
const resources: NonNullable<V1Container["resources"]> = { requests: { cpu: "5m", memory: "32Mi" } };

export const namespaceObject = ({ namespace, owner, expires }: RunIdentity): V1Namespace => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: {
    name: namespace,
    labels: {
      [RUN_LABEL]: "true",
      "app.kubernetes.io/managed-by": "sansproxy",
      // The probes look into the node's process and network namespaces.
      "pod-security.kubernetes.io/enforce": "privileged",
      "pod-security.kubernetes.io/audit": "privileged",
      "pod-security.kubernetes.io/warn": "privileged",
    },
    annotations: { [OWNER_ANNOTATION]: owner, [EXPIRES_ANNOTATION]: expires },
  },
});

/** An account with no rights at all: its token opens only what every authenticated client may read. */
export const serviceAccountObject = ({ namespace, pullSecrets }: RunIdentity): V1ServiceAccount => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name: SERVICE_ACCOUNT, namespace },
  imagePullSecrets: pullSecrets.map((name) => ({ name })),
});

export const echoDaemonSet = ({ namespace, image }: RunIdentity): V1DaemonSet => {
  const labels = { [ROLE_LABEL]: ECHO };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: ECHO, namespace, labels },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: SERVICE_ACCOUNT,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 1,
          tolerations: tolerateEverything,
          nodeSelector: { "kubernetes.io/os": "linux" },
          containers: [
            {
              name: ECHO,
              image,
              imagePullPolicy: "IfNotPresent",
              command: command("echo", "--port", String(ECHO_PORT)),
              env: [
                { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
                { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
              ],
              ports: [
                { name: "tcp", containerPort: ECHO_PORT, protocol: "TCP" },
                { name: "udp", containerPort: ECHO_PORT, protocol: "UDP" },
              ],
              readinessProbe: { tcpSocket: { port: "tcp" }, periodSeconds: 1, timeoutSeconds: 3 },
              securityContext: unprivileged,
              resources,
            },
          ],
        },
      },
    },
  };
};

const echoService = (namespace: string, name: string, type: "ClusterIP" | "NodePort"): V1Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace, labels: { [ROLE_LABEL]: ECHO } },
  spec: {
    type,
    // Of both families where the cluster has two, and then each is verified.
    ipFamilyPolicy: "PreferDualStack",
    selector: { [ROLE_LABEL]: ECHO },
    ports: [
      { name: "tcp", protocol: "TCP", port: ECHO_PORT, targetPort: "tcp" },
      { name: "udp", protocol: "UDP", port: ECHO_PORT, targetPort: "udp" },
    ],
  },
});

export const echoServices = ({ namespace }: RunIdentity): readonly V1Service[] => [
  echoService(namespace, ECHO, "ClusterIP"),
  echoService(namespace, ECHO_NODE_PORT, "NodePort"),
];

export const targetsConfigMap = ({ namespace }: RunIdentity, targets: ProbeTargets): V1ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "targets", namespace },
  data: { "targets.json": JSON.stringify(targets) },
});

/** Bound to its node directly: a probe must run on a cordoned or tainted node too. */
export const probePod = (run: RunIdentity, node: string, index: number, origin: Origin, timeoutMs: number): V1Pod => {
  const onHost = origin === "host";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `probe-${origin}-${index}`,
      namespace: run.namespace,
      labels: { [ROLE_LABEL]: `probe-${origin}` },
      annotations: { [NODE_LABEL]: node },
    },
    spec: {
      nodeName: node,
      restartPolicy: "Never",
      ...(onHost ? { hostNetwork: true, hostPID: true } : {}),
      // Its resolv.conf tells the cluster's DNS domain, to a probe on the host too.
      dnsPolicy: "ClusterFirstWithHostNet",
      serviceAccountName: SERVICE_ACCOUNT,
      automountServiceAccountToken: true,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 1,
      activeDeadlineSeconds: Math.ceil(timeoutMs / 1000) + 60,
      tolerations: tolerateEverything,
      containers: [
        {
          name: "probe",
          image: run.image,
          imagePullPolicy: "IfNotPresent",
          command: command(
            "probe",
            ...["--from", origin, "--node", node, "--timeout", `${timeoutMs}ms`],
            ...["--targets", `${TARGETS_FOLDER}/targets.json`],
          ),
          terminationMessagePolicy: "FallbackToLogsOnError",
          volumeMounts: [{ name: "targets", mountPath: TARGETS_FOLDER, readOnly: true }],
          securityContext: onHost ? netfilterReader : unprivileged,
          resources,
        },
      ],
      volumes: [{ name: "targets", configMap: { name: "targets" } }],
    },
  };
};
