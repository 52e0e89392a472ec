// SPDX-License-Identifier: Apache-2.0
// Fills a real API server with the cluster's objects as the replayed one has them, then moves an endpoint when told to.
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { createInterface } from "node:readline";
import {
  type ClusterNode,
  type ClusterShape,
  type KubernetesObject,
  movingBackend,
  movingService,
  NAMESPACE,
  nodeObject,
  serviceObject,
  sliceObject,
  slicesOf,
} from "./cluster-objects.ts";
import type { ReplayCommand } from "./replay-server.ts";

const [directory = "", server = "", shapeText = "{}", nodesText = "[]"] = process.argv.slice(2);
const shape = JSON.parse(shapeText) as ClusterShape;
const nodes = JSON.parse(nodesText) as readonly ClusterNode[];

const AT_ONCE = 32;
const READY_MS = 120_000;
const CONFLICT = 409;
const agent = new Agent({ keepAlive: true, ca: readFileSync(`${directory}/ca.crt`) });
const authorization = `Bearer ${readFileSync(`${directory}/token`, "utf8").trim()}`;
const SERVICES = `/api/v1/namespaces/${NAMESPACE}/services`;
const SLICES = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;

interface Answer {
  readonly status: number;
  readonly body: string;
}

function send(method: string, path: string, body?: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization, "content-type": "application/json" };
    const sent = request(`${server}${path}`, { method, agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function succeed(method: string, path: string, body: object): Promise<Answer> {
  const answer = await send(method, path, body);
  if (answer.status < 300) return answer;
  throw new Error(`${method} ${path}: the API server answered ${answer.status}: ${answer.body}`);
}

/** What an API server gives each object itself. */
function withoutHistory({ metadata, ...object }: KubernetesObject): KubernetesObject {
  const { uid: _uid, resourceVersion: _version, creationTimestamp: _created, ...rest } = metadata;
  return { ...object, metadata: rest };
}

/** Ready, and its own Service made: the last that it makes itself. */
async function ready(): Promise<void> {
  const deadline = performance.now() + READY_MS;
  const answers = async (path: string) => (await send("GET", path).catch(() => undefined))?.status === 200;
  while (!((await answers("/readyz")) && (await answers("/api/v1/namespaces/default/services/kubernetes")))) {
    if (performance.now() > deadline) throw new Error(`${server} was not ready within ${READY_MS} ms`);
    await new Promise((resume) => setTimeout(resume, 100));
  }
}

async function create({ status, ...service }: KubernetesObject): Promise<void> {
  await succeed("POST", SERVICES, service);
  const { loadBalancer } = status as { readonly loadBalancer: object };
  if (Object.keys(loadBalancer).length > 0)
    await succeed("PUT", `${SERVICES}/${service.metadata.name}/status`, { ...service, status });
}

async function fill(): Promise<void> {
  const metadata = { name: NAMESPACE };
  const { status, body } = await send("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata });
  // A kept data directory: filled before.
  if (status === CONFLICT) return;
  if (status >= 300) throw new Error(`the namespace ${NAMESPACE}: the API server answered ${status}: ${body}`);
  for (const node of nodes) await succeed("POST", "/api/v1/nodes", withoutHistory(nodeObject(node)));
  let next = 0;
  const work = async () => {
    for (let service = next++; service <= shape.services; service = next++) {
      await create(withoutHistory(serviceObject(shape, service)));
      for (const slice of slicesOf(shape, service)) await succeed("POST", SLICES, withoutHistory(slice));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function move(place: number): Promise<{ readonly atNs: string }> {
  const slice = sliceObject(movingService(shape), [movingBackend(place)], 1, 0, new Date().toISOString());
  const atNs = String(process.hrtime.bigint());
  await succeed("PUT", `${SLICES}/${slice.metadata.name}`, withoutHistory(slice));
  return { atNs };
}

await ready();
const begun = performance.now();
await fill();
console.log(JSON.stringify({ filledMs: performance.now() - begun }));
createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line) as ReplayCommand;
  if (command.op !== "move") throw new Error(`a real API server's endpoints are moved, and not made to ${command.op}`);
  void move(command.place).then((reply) => console.log(JSON.stringify(reply)));
});
