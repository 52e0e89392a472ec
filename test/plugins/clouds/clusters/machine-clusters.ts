// SPDX-License-Identifier: Apache-2.0
// Clusters on real machines of this box: kubeadm's control plane, which is no node, and nodes that join and serve.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { initConfiguration, joinConfiguration } from "../../../../components/internal/bare-metal/kubeadm-config.ts";
import type { Account, MachineSettings } from "../account.ts";
import type { Credential, Endpoint } from "./api-client.ts";
import { endAttendant, startAttendant } from "./attendants.ts";
import { type ClusterPlan, type Clusters, clientOf, markPodNetwork, type NodePlan, planOf } from "./cluster.ts";
import { putKubeProxy } from "./kube-proxy.ts";
import { Machines } from "./machines.ts";
import { connectPods } from "./pod-network.ts";

const kubernetesVersion = "v1.36.3";
const port = 443;

const facts = ({ id, podCidr, serviceCidr }: ClusterPlan, address: string) => ({
  name: id,
  kubernetesVersion,
  endpointHost: address,
  endpointPort: port,
  podCidrs: [podCidr],
  serviceCidrs: [serviceCidr],
  dnsDomain: "cluster.local",
  certSans: [],
  keepImages: true,
});

/** A kubelet that runs the control plane's static Pods, and belongs to no cluster: as in a cloud, no Node is to be seen. */
const standaloneKubelet = {
  config: stringify({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    enableServer: false,
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
  }),
  unit: `[Service]
Environment="KUBELET_KUBECONFIG_ARGS="
`,
};

const skippedPhases = [
  ...["preflight", "mark-control-plane", "kubelet-finalize", "addon/kube-proxy", "addon/coredns", "show-join-command"],
];

const readAdministrator = (kubeconfig: string): { authority: string; credential: Credential } => {
  const field = (name: string): string => {
    const value = new RegExp(`${name}: (\\S+)`).exec(kubeconfig)?.[1];
    if (value === undefined) throw new Error(`the administrator's kubeconfig has no ${name}`);
    return Buffer.from(value, "base64").toString("utf8");
  };
  const credential = {
    clientCertificateData: field("client-certificate-data"),
    clientKeyData: field("client-key-data"),
  };
  return { authority: field("certificate-authority-data"), credential };
};

const settingsOf = (account: Account): MachineSettings => {
  const { machines } = account.settings;
  if (machines === undefined) throw new Error("the account's settings say `machines`, and not which ones");
  return machines;
};

const controlPlaneOf = (plan: ClusterPlan): string => `cp-${plan.id}`;

const credentialsOf = async (machines: Machines, host: string): Promise<{ token: string; caCertHash: string }> => {
  const said = await machines.run(host, "kubeadm token create --ttl 15m --print-join-command");
  const [token, caCertHash] = [/--token (\S+)/, /--discovery-token-ca-cert-hash (\S+)/].map(
    (rule) => rule.exec(said)?.[1],
  );
  if (token === undefined || caCertHash === undefined) throw new Error("kubeadm gave no join command");
  return { token, caCertHash };
};

/** kubeadm's own configuration, with the labels and taints that the cloud gives to its nodes. */
const joinDocument = (
  plan: ClusterPlan,
  endpoint: Endpoint,
  node: NodePlan,
  address: string,
  credentials: { token: string; caCertHash: string },
): string => {
  const host = { name: node.name, address, ipv6Address: "", role: "worker", ignorePreflightErrors: ["all"] };
  const written = joinConfiguration(facts(plan, endpoint.host), host, port, { ...credentials, certificateKey: "" });
  const document = parse(written) as { nodeRegistration: { kubeletExtraArgs: object[] } };
  const { nodeRegistration } = document;
  const labels = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`);
  const kubeletExtraArgs = [
    ...nodeRegistration.kubeletExtraArgs,
    ...(labels.length === 0 ? [] : [{ name: "node-labels", value: labels.join(",") }]),
  ];
  return stringify({ ...document, nodeRegistration: { ...nodeRegistration, taints: node.taints, kubeletExtraArgs } });
};

export const machineClusters = (account: Account): Clusters => {
  const machines = new Machines(account.directory, settingsOf(account));

  const joinOne = async (directory: string, node: NodePlan, signal: AbortSignal): Promise<void> => {
    const plan = planOf(directory);
    const { endpoint } = clientOf(directory);
    const address = await machines.create(node.name, 1024, "worker");
    signal.throwIfAborted();
    if (plan.kubeProxyOnNodes) await putKubeProxy(machines, node.name, controlPlaneOf(plan));
    const credentials = await credentialsOf(machines, controlPlaneOf(plan));
    const document = joinDocument(plan, endpoint, node, address, credentials);
    await machines.run(
      node.name,
      "umask 077; cat >/run/join.yaml; kubeadm join --config /run/join.yaml >&2; rm /run/join.yaml",
      document,
    );
  };

  return {
    async create(directory, plan, log) {
      log("a real machine with kubeadm's control plane starts on this box, in place of a cloud's control plane");
      const name = controlPlaneOf(plan);
      const address = await machines.create(name, 1800, "control-plane");
      await machines.write(name, "/etc/kubernetes/kubelet.conf.d/60-control-plane.conf", standaloneKubelet.config);
      await machines.write(name, "/etc/systemd/system/kubelet.service.d/20-standalone.conf", standaloneKubelet.unit);
      const host = { name, address, ipv6Address: "", role: "control-plane", ignorePreflightErrors: ["all"] };
      const configuration = initConfiguration(facts(plan, address), host, port);
      const kubeconfig = await machines.run(
        name,
        `systemctl daemon-reload; cat >/etc/kubernetes/init.yaml
        kubeadm init --config /etc/kubernetes/init.yaml --skip-phases=${skippedPhases.join(",")} >&2
        cat /etc/kubernetes/admin.conf`,
        configuration,
      );
      const { authority, credential } = readAdministrator(kubeconfig);
      const endpoint: Endpoint = { host: address, port, certificateAuthority: authority };
      writeFileSync(join(directory, "credential.json"), JSON.stringify(credential), { mode: 0o600 });
      writeFileSync(join(directory, "endpoint.json"), JSON.stringify(endpoint));
      startAttendant(directory);
      return endpoint;
    },

    async delete(directory) {
      await endAttendant(directory);
      await machines.delete(controlPlaneOf(planOf(directory)));
    },

    async addNodes(directory, nodes, log, signal) {
      for (const node of nodes) {
        log(`node ${node.name}: a real machine starts on this box and joins`);
        await joinOne(directory, node, signal);
      }
    },

    async removeNodes(directory, names) {
      for (const name of names) {
        await clientOf(directory).require([200, 404], "DELETE", `/api/v1/nodes/${name}`);
        await machines.delete(name);
      }
    },

    async installPodNetwork(directory) {
      markPodNetwork(directory);
    },

    async installDns(directory) {
      await machines.run(
        controlPlaneOf(planOf(directory)),
        "kubeadm init phase addon coredns --config /etc/kubernetes/init.yaml >&2",
      );
    },

    async dnsReady(directory) {
      await connectPods(directory, machines, controlPlaneOf(planOf(directory)));
      const path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns";
      const { body } = await clientOf(directory).require([200], "GET", path);
      return (body.status.availableReplicas ?? 0) > 0;
    },

    tend: (directory) => connectPods(directory, machines, controlPlaneOf(planOf(directory))),
  };
};
