// SPDX-License-Identifier: Apache-2.0
// The agent's copy of the cluster: one list and watch each for Services, EndpointSlices, Nodes, and the Pods of this node.

import { scanEndpointSlice } from "../core/endpoint-slice-reader.ts";
import {
  type EndpointSlice,
  HEADLESS_LABEL,
  type Node,
  objectKey,
  type Pod,
  readEndpointSlice,
  readNode,
  readPod,
  readService,
  SERVICE_PROXY_NAME_LABEL,
  type Service,
  type Snapshot,
} from "../core/kubernetes-objects.ts";
import type { ObjectChange } from "../core/relevance.ts";
import type { ApiClient } from "./api-client.ts";
import { ListWatch, type ListWatchOptions, type WatchRestart } from "./list-watch.ts";
import type { Log } from "./log.ts";

/** What one kind's watch has seen; `change` is left out when all of its objects may have changed. */
export type ClusterChange =
  | { readonly kind: "services"; readonly change: ObjectChange<Service> | undefined }
  | { readonly kind: "endpointSlices"; readonly change: ObjectChange<EndpointSlice> | undefined }
  | { readonly kind: "nodes"; readonly change: ObjectChange<Node> | undefined }
  | { readonly kind: "pods"; readonly change: ObjectChange<Pod> | undefined };

export interface ClusterViewOptions {
  readonly nodeName: string;
  readonly client: ApiClient;
  readonly log: Log;
  readonly onChange: (change: ClusterChange) => void;
  readonly onRestart: (kind: keyof Snapshot, reason: WatchRestart) => void;
}

/** Objects that belong to another proxy, or need none, are not even sent. */
const SERVED = `!${SERVICE_PROXY_NAME_LABEL},!${HEADLESS_LABEL}`;

export class ClusterView {
  readonly services: ListWatch<Service>;
  readonly endpointSlices: ListWatch<EndpointSlice>;
  readonly nodes: ListWatch<Node>;
  /** Those of this node, for their host ports. */
  readonly pods: ListWatch<Pod>;

  constructor({ nodeName, client, log, onChange, onRestart }: ClusterViewOptions) {
    const follow = <T extends { readonly namespace: string; readonly name: string }>(
      kind: keyof Snapshot,
      options: Pick<ListWatchOptions<T>, "path" | "view" | "read" | "labelSelector" | "fieldSelector">,
    ) =>
      new ListWatch<T>({
        ...options,
        client,
        key: objectKey,
        log: log.with({ kind }),
        onChange: (change) => onChange({ kind, change } as ClusterChange),
        onRestart: (reason) => onRestart(kind, reason),
      });
    this.services = follow("services", { path: "/api/v1/services", view: readService, labelSelector: SERVED });
    this.endpointSlices = follow("endpointSlices", {
      path: "/apis/discovery.k8s.io/v1/endpointslices",
      view: readEndpointSlice,
      read: scanEndpointSlice,
      labelSelector: SERVED,
    });
    this.nodes = follow("nodes", { path: "/api/v1/nodes", view: readNode });
    this.pods = follow("pods", {
      path: "/api/v1/pods",
      view: readPod,
      fieldSelector: `spec.nodeName=${nodeName}`,
    });
  }

  start(): void {
    for (const watch of this.#all()) watch.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all().map((watch) => watch.stop()));
  }

  snapshot(): Snapshot {
    return { services: this.services, endpointSlices: this.endpointSlices, nodes: this.nodes, pods: this.pods };
  }

  resourceVersions(): Record<keyof Snapshot, string> {
    return {
      services: this.services.resourceVersion,
      endpointSlices: this.endpointSlices.resourceVersion,
      nodes: this.nodes.resourceVersion,
      pods: this.pods.resourceVersion,
    };
  }

  /** What the watches complain of; empty when all go well. */
  errors(): string[] {
    return [...new Set(this.#all().map((watch) => watch.lastError))].filter((error) => error !== "");
  }

  #all(): ListWatch<unknown>[] {
    return [this.services, this.endpointSlices, this.nodes, this.pods] as ListWatch<unknown>[];
  }
}
