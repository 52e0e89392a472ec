// SPDX-License-Identifier: Apache-2.0
// What the API server of the stack under test says of nodes and Pods.

import type { StackUnderTest } from "./stack-under-test.ts";

/** Names, sorted. */
export function readyNodes(stack: StackUnderTest): string[] {
  const { items } = JSON.parse(stack.kubectl("get", "nodes", "--output", "json"));
  return items
    .filter((node: NodeObject) => node.status.conditions.some((c) => c.type === "Ready" && c.status === "True"))
    .map((node: NodeObject) => node.metadata.name)
    .sort();
}

/** Of what an update has printed: the nodes from whose Pods a ClusterIP was seen to answer. */
export const verifiedNodes = (text: string): string[] =>
  [...text.matchAll(/ ok +ClusterIP TCP from pod +(\S+)/g)].flatMap(([, node]) => node ?? []).sort();

export interface NodeObject {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly unschedulable?: boolean };
  readonly status: {
    readonly nodeInfo: { readonly kubeletVersion: string };
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
    readonly addresses: readonly { readonly type: string; readonly address: string }[];
  };
}

/** Name of the Pod of `app` on each node. */
export function podsByNode(stack: StackUnderTest, app: string, namespace = "default"): Map<string, string> {
  const label = namespace === "default" ? `app=${app}` : `app.kubernetes.io/name=${app}`;
  const { items } = JSON.parse(
    stack.kubectl("get", "pods", "--namespace", namespace, "--selector", label, "--output", "json"),
  );
  return new Map(
    items.map((pod: { metadata: { name: string }; spec: { nodeName: string } }) => [
      pod.spec.nodeName,
      pod.metadata.name,
    ]),
  );
}
