// SPDX-License-Identifier: Apache-2.0
// Checks what load balancers, the kubelet and Prometheus are answered.

import { request, type Server } from "node:http";
import { networkInterfaces } from "node:os";
import { afterEach, expect, test } from "vitest";
import { serveHttp } from "../../../agent/shell/http-server.ts";
import { countHealthAnswers } from "../../../agent/shell/kube-proxy-metrics.ts";
import { Metrics } from "../../../agent/shell/metrics.ts";

let server: Server | undefined;
afterEach(() => void server?.close());

async function serve(ready: boolean, reason = "", nodeEligible = true, host = "127.0.0.1"): Promise<string> {
  const metrics = new Metrics({ counters: () => ({ drop_no_route: 3n }), mapUsage: () => new Map() });
  metrics.ready.set(ready ? 1 : 0);
  const started = await serveHttp(
    { host, port: 0 },
    {
      health: () => ({ reason, nodeEligible, lastUpdated: new Date(0) }),
      healthAnswered: countHealthAnswers(metrics.registry),
      state: (path, query) => (path === "/state/none" ? undefined : { path, asked: query.get("address") }),
      readiness: () => ({ ready, services: 2, reason: ready ? "" : "waiting" }),
      metrics: async () => ({ contentType: metrics.registry.contentType, text: await metrics.registry.metrics() }),
    },
  );
  server = started.server;
  return `http://127.0.0.1:${started.port}`;
}

test("healthz is 200 while no sync is stuck, and names the reason when one is", async () => {
  expect((await fetch(`${await serve(false)}/healthz`)).status).toBe(200);
  server?.close();
  const sick = await fetch(`${await serve(true, "stuck")}/healthz`);
  expect([sick.status, await sick.json()]).toMatchObject([
    503,
    { healthy: false, reason: "stuck", lastUpdated: "1970-01-01T00:00:00.000Z" },
  ]);
});

test("a node that goes away is 503 for load balancers, and alive for the kubelet", async () => {
  const base = await serve(true, "", false);
  const [healthz, livez] = [await fetch(`${base}/healthz`), await fetch(`${base}/livez`)];
  expect([healthz.status, livez.status]).toEqual([503, 200]);
  expect(await healthz.json()).toMatchObject({ healthy: true, nodeEligible: false });
  expect(await livez.json()).not.toHaveProperty("nodeEligible");
});

test("readyz is 503 with the reason until ready, and always has the facts", async () => {
  const waiting = await fetch(`${await serve(false)}/readyz`);
  expect([waiting.status, await waiting.json()]).toEqual([503, { ready: false, services: 2, reason: "waiting" }]);
  server?.close();
  expect((await fetch(`${await serve(true)}/readyz`)).status).toBe(200);
});

test("metrics include the agent's and the programs' own", async () => {
  const text = await (await fetch(`${await serve(true)}/metrics`)).text();
  expect(text).toContain("sansproxy_ready 1");
  expect(Number(/^process_resident_memory_bytes (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(1e6);
  expect(Number(/^process_cpu_seconds_total ([\d.]+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
  expect(text).toContain('sansproxy_datapath_dropped_packets_total{reason="no_route"} 3');
});

test("answers about health are counted by status, as kube-proxy counts them", async () => {
  const base = await serve(true, "", false);
  for (const path of ["/healthz", "/livez", "/livez"]) await fetch(`${base}${path}`);
  const text = await (await fetch(`${base}/metrics`)).text();
  expect(text).toContain('kubeproxy_proxy_healthz_total{code="503"} 1');
  expect(text).toContain('kubeproxy_proxy_livez_total{code="200"} 2');
});

test("its state is told to this machine only, under its own name", async () => {
  const base = await serve(true);
  expect(await (await fetch(`${base}/state/explain?address=10.96.0.1`)).json()).toEqual({
    path: "/state/explain",
    asked: "10.96.0.1",
  });
  expect((await fetch(`${base}/state/none`)).status).toBe(404);
  const named = await new Promise<number | undefined>((resolve, reject) => {
    request(`${base}/state`, { headers: { host: "rebound.example" } }, (response) => resolve(response.statusCode))
      .on("error", reject)
      .end();
  });
  expect(named).toBe(403);
});

test("its state is not told over an address that others reach", async () => {
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === "IPv4" && !address.internal)?.address;
  if (outside === undefined) throw new Error("this machine has no address but the loopback");
  const { port } = new URL(await serve(true, "", true, "0.0.0.0"));
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request(`http://${outside}:${port}/state`, { headers: { host: "127.0.0.1" } }, (response) =>
      resolve(response.statusCode),
    )
      .on("error", reject)
      .end();
  });
  expect(status).toBe(403);
});

test("anything else is refused", async () => {
  const base = await serve(true);
  expect((await fetch(`${base}/other`)).status).toBe(404);
  expect((await fetch(`${base}/healthz`, { method: "POST" })).status).toBe(405);
});

test("a taken port is a clear error", async () => {
  const port = Number(new URL(await serve(true)).port);
  const again = serveHttp({ host: "127.0.0.1", port }, {} as never);
  await expect(again).rejects.toThrow(/kubeProxyReplacementHealthzBindAddr 127.0.0.1:\d+: EADDRINUSE; another process/);
});
