// SPDX-License-Identifier: Apache-2.0
// What Cilium's operator does for nodes, alone: takes the taint from each node whose agent is ready.
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port, TAINT: taint } = process.env;
const token = () => readFileSync("/var/run/secrets/kubernetes.io/serviceaccount/token", "utf8");

const ask = async (path, body) => {
  const headers = { authorization: `Bearer ${token()}`, "content-type": "application/merge-patch+json" };
  const options = body === undefined ? { headers } : { headers, method: "PATCH", body: JSON.stringify(body) };
  const answer = await fetch(`https://${host}:${port}${path}`, options);
  if (!answer.ok) throw new Error(`${path} was answered with ${answer.status}`);
  return await answer.json();
};

const isReady = ({ status }) => status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True");

for (;;) {
  try {
    const pods = await ask("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dcilium");
    const served = new Set(pods.items.filter(isReady).map(({ spec }) => spec.nodeName));
    const { items } = await ask("/api/v1/nodes");
    for (const { metadata, spec } of items) {
      const left = (spec.taints ?? []).filter(({ key }) => key !== taint);
      if (!served.has(metadata.name) || left.length === (spec.taints ?? []).length) continue;
      await ask(`/api/v1/nodes/${metadata.name}`, {
        metadata: { resourceVersion: metadata.resourceVersion },
        spec: { taints: left },
      });
      console.log(`node ${metadata.name} is served: its taint ${taint} is taken away`);
    }
  } catch (error) {
    console.error(error.message, error.cause?.message ?? "");
  }
  await pause(1_000);
}
