// SPDX-License-Identifier: Apache-2.0
// Tells a Service, a Pod or a Node, by an Event, why it is not served as asked: once per change of the object, in the whole cluster.

import { createHash } from "node:crypto";
import type { Snapshot } from "../core/kubernetes-objects.ts";
import type { Problem } from "../core/problem.ts";
import { type ApiClient, ApiError } from "./api-client.ts";
import { errorText, type Log } from "./log.ts";

export interface EventRecorderOptions {
  readonly client: Pick<ApiClient, "postJson">;
  readonly nodeName: string;
  readonly snapshot: () => Snapshot;
  readonly log: Log;
}

const CONTROLLER = "sansproxy.dev/agent";
const LIMITS = { responseTimeoutMs: 10_000, idleTimeoutMs: 10_000 };
const LONGEST_NOTE = 1_000;
/** More than this at once is an outage of its own: the rest is in the log and in the metrics. */
const MOST_WAITING = 100;
const CONFLICT = 409;
/** An Event lies in a namespace, which a Node does not. */
const NAMESPACE_OF_NODES = "default";

interface Regarding {
  readonly kind: "Service" | "Pod" | "Node";
  /** Empty for a Node. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #stop = new AbortController();
  #waiting: { path: string; body: unknown }[] = [];
  #sending: Promise<void> | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record(problem: Problem): void {
    const regarding = this.#find(problem.service);
    if (!regarding) return;
    if (this.#waiting.length >= MOST_WAITING) {
      this.#options.log.warn("too many Events at once, leaving this one out", { service: problem.service });
      return;
    }
    const namespace = regarding.namespace || NAMESPACE_OF_NODES;
    const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
    this.#waiting.push({ path, body: eventOf(problem, regarding, namespace, this.#options.nodeName) });
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#sending;
  }

  #find(service: string): Regarding | undefined {
    const { services, pods, nodes } = this.#options.snapshot();
    const [, prefix, name = service] = /^(pod|node)\/(.+)$/.exec(service) ?? [];
    const pod = prefix === "pod" ? pods?.objects.get(name) : undefined;
    const node = prefix === "node" ? [...nodes.objects.values()].find((each) => each.name === name) : undefined;
    if (pod) return { kind: "Pod", ...pod };
    if (node) return { kind: "Node", ...node };
    const object = services.objects.get(service);
    return object && { kind: "Service", ...object };
  }

  /** An Event that cannot be sent is not tried again: what it says is in the log and in the metrics, too. */
  async #send(): Promise<void> {
    for (let next = this.#waiting.shift(); next && !this.#stop.signal.aborted; next = this.#waiting.shift()) {
      try {
        await this.#options.client.postJson(next.path, next.body, LIMITS, this.#stop.signal);
      } catch (error) {
        // Another node's agent has said it already.
        if (error instanceof ApiError && error.status === CONFLICT) continue;
        if (!this.#stop.signal.aborted) this.#options.log.warn("an Event was not sent", { error: errorText(error) });
      }
    }
  }
}

/** The name is the same on every node for one problem with one version of the object, so only the first is created. */
function eventOf(problem: Problem, regarding: Regarding, eventNamespace: string, nodeName: string): unknown {
  const { kind, namespace, name, uid, resourceVersion } = regarding;
  const identity = [uid, resourceVersion, problem.reason, problem.message].join("\n");
  const hash = createHash("sha256").update(identity).digest("hex").slice(0, 16);
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { namespace: eventNamespace, name: `${name}.${hash}` },
    eventTime: new Date().toISOString().replace("Z", "000Z"),
    reportingController: CONTROLLER,
    reportingInstance: nodeName,
    action: "Serve",
    type: "Warning",
    reason: problem.reason,
    note: problem.message.slice(0, LONGEST_NOTE),
    regarding: { apiVersion: "v1", kind, ...(namespace === "" ? {} : { namespace }), name, uid, resourceVersion },
  };
}
