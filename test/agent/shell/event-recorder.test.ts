// SPDX-License-Identifier: Apache-2.0
// Checks the Events that tell a Service why it is not served: their fields, one for all nodes, one per change.

import { beforeEach, expect, test } from "vitest";
import { readPod, readService } from "../../../agent/core/kubernetes-objects.ts";
import type { Problem } from "../../../agent/core/problem.ts";
import { ApiError } from "../../../agent/shell/api-client.ts";
import { EventRecorder } from "../../../agent/shell/event-recorder.ts";
import { createLog } from "../../../agent/shell/log.ts";
import { collection, nodes } from "../core/arbitrary-objects.ts";

interface SentEvent {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly [field: string]: unknown;
}

const PROBLEM: Problem = { service: "ns/web", reason: "FrontendsFull", message: "Service ns/web is not served." };
let sent: { path: string; body: SentEvent }[];
let lines: string[];
beforeEach(() => {
  sent = [];
  lines = [];
});

function recorder(nodeName: string, resourceVersion: string, fault?: Error): EventRecorder {
  const metadata = { namespace: "ns", name: "web", uid: "u1", resourceVersion };
  const snapshot = {
    services: collection([readService({ metadata })]),
    endpointSlices: collection<never>([]),
    nodes,
    pods: collection([readPod({ metadata: { ...metadata, uid: "u2" } })]),
  };
  return new EventRecorder({
    client: {
      postJson: async (path, body) => {
        sent.push({ path, body: body as SentEvent });
        if (fault) throw fault;
      },
    },
    nodeName,
    snapshot: () => snapshot,
    log: createLog("debug", (line) => lines.push(line)),
  });
}

async function record(problem: Problem, nodeName: string, resourceVersion: string, fault?: Error): Promise<void> {
  const before = sent.length;
  recorder(nodeName, resourceVersion, fault).record(problem);
  await expect.poll(() => sent.length).toBe(before + 1);
}

test("an Event names the Service, the reason and the node that says so", async () => {
  await record(PROBLEM, "node-1", "7");
  expect(sent[0]?.path).toBe("/apis/events.k8s.io/v1/namespaces/ns/events");
  expect(sent[0]?.body).toMatchObject({
    kind: "Event",
    metadata: { namespace: "ns", name: expect.stringMatching(/^web\.[0-9a-f]{16}$/) },
    eventTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    type: "Warning",
    reason: "FrontendsFull",
    action: "Serve",
    note: "Service ns/web is not served.",
    reportingInstance: "node-1",
    regarding: { apiVersion: "v1", kind: "Service", namespace: "ns", name: "web", uid: "u1", resourceVersion: "7" },
  });
});

test("all nodes give it one name, and a changed Service a new one", async () => {
  await record(PROBLEM, "node-1", "7");
  await record(PROBLEM, "node-2", "7");
  await record(PROBLEM, "node-1", "8");
  const [first, second, third] = sent.map(({ body }) => body.metadata.name);
  expect(second).toBe(first);
  expect(third).not.toBe(first);
});

test("a Pod's host port is told to the Pod", async () => {
  await record({ ...PROBLEM, service: "pod/ns/web", reason: "HostPortConflict" }, "node-1", "7");
  expect(sent[0]?.body).toMatchObject({ regarding: { kind: "Pod", uid: "u2" } });
});

test("that another node has said it already is no fault, any other refusal is logged", async () => {
  await record(PROBLEM, "node-1", "7", new ApiError("POST /x", 409, "", undefined));
  await record(PROBLEM, "node-1", "7", new ApiError("POST /x", 403, "", undefined));
  await expect.poll(() => lines.length).toBe(1);
  expect(lines[0]).toContain("the API server answered 403; the agent's ClusterRole must allow it");
});

test("a Service that has gone meanwhile is told nothing", () => {
  recorder("node-1", "7").record({ ...PROBLEM, service: "ns/gone" });
  expect(sent).toEqual([]);
});

test("what is about all of a node is said at the Node, in a namespace that every cluster has", async () => {
  const message = "Node node-1: connections that have been silent longest lose their backend.";
  await record({ service: "node/node-1", reason: "FlowsFull", message }, "node-1", "7");
  expect(sent[0]?.path).toBe("/apis/events.k8s.io/v1/namespaces/default/events");
  expect(sent[0]?.body).toMatchObject({
    metadata: { namespace: "default" },
    reason: "FlowsFull",
    regarding: { apiVersion: "v1", kind: "Node", name: "node-1" },
  });
  expect(sent[0]?.body["regarding"]).not.toHaveProperty("namespace");
});
