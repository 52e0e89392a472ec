// SPDX-License-Identifier: Apache-2.0
// Checks what load balancers, the kubelet and Prometheus are answered.

import { once } from "node:events";
import { createServer, request } from "node:http";
import { networkInterfaces } from "node:os";
import { afterEach, expect, test } from "vitest";
import { serveHttp } from "../../../agent/shell/http-server.ts";
import { countHealthAnswers } from "../../../agent/shell/kube-proxy-metrics.ts";
import { createLog } from "../../../agent/shell/log.ts";
import { Metrics } from "../../../agent/shell/metrics.ts";
import type { PatientListener } from "../../../agent/shell/patient-listener.ts";
import { freePort } from "../../support/free-port.ts";

let server: PatientListener | undefined;
let lines: string[] = [];
afterEach(() => {
  server?.stop();
  lines = [];
});

async function serve(ready: boolean, reason = "", nodeEligible = true, host = "127.0.0.1", port = 0): Promise<string> {
  const metrics = new Metrics({ counters: () => ({ drop_no_route: 3n }), mapUsage: () => new Map() });
  metrics.ready.set(ready ? 1 : 0);
  server = await serveHttp(
    { host, port },
    {
      health: () => ({ reason, nodeEligible, lastUpdated: new Date(0) }),
      healthAnswered: countHealthAnswers(metrics.registry),
      state: (path, query) => (path === "/state/none" ? undefined : { path, asked: query.get("address") }),
      readiness: () => ({ ready, services: 2, reason: ready ? "" : "waiting" }),
      metrics: async () => ({ contentType: metrics.registry.contentType, text: await metrics.registry.metrics() }),
    },
    createLog("info", (line) => lines.push(line)),
    10,
  );
  return `http://127.0.0.1:${server.port ?? port}`;
}

test("healthz is 200 while no sync is stuck, and names the reason when one is", async () => {
  expect((await fetch(`${await serve(false)}/healthz`)).status).toBe(200);
  server?.stop();
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
  server?.stop();
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

test("a port that kube-proxy has is waited for: said once, and answered on when kube-proxy has left", async () => {
  const port = await freePort();
  const kubeProxy = createServer((_, response) => response.end("kube-proxy")).listen(port, "127.0.0.1");
  await once(kubeProxy, "listening");
  const base = await serve(true, "", true, "127.0.0.1", port);
  expect(server?.port).toBeUndefined();
  expect(await (await fetch(`${base}/readyz`)).text()).toBe("kube-proxy");
  kubeProxy.close();
  kubeProxy.closeAllConnections();
  await expect.poll(() => server?.port).toBeDefined();
  expect(await (await fetch(`${base}/readyz`)).json()).toMatchObject({ ready: true });
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: "warn", message: expect.stringContaining("HealthzBindAddr yet, trying again"), error: "EADDRINUSE" },
    { level: "info", message: "listening on kubeProxyReplacementHealthzBindAddr now" },
  ]);
});

test("an address that this node does not have is a clear error", async () => {
  await expect(serve(true, "", true, "192.0.2.1")).rejects.toThrow(
    /kubeProxyReplacementHealthzBindAddr 192.0.2.1:0: EADDRNOTAVAIL; correct it/,
  );
});
