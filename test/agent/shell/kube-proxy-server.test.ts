// SPDX-License-Identifier: Apache-2.0
// Checks what those who know kube-proxy's status port are answered, also when kube-proxy leaves it late.

import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, expect, test } from "vitest";
import { startKubeProxyServer } from "../../../agent/shell/kube-proxy-server.ts";
import { createLog } from "../../../agent/shell/log.ts";
import type { PatientListener } from "../../../agent/shell/patient-listener.ts";
import { freePort } from "../../support/free-port.ts";

let server: PatientListener;
let lines: string[];
afterEach(() => server.stop());

async function start(port = 0): Promise<void> {
  lines = [];
  const log = createLog("info", (line) => lines.push(line));
  const metrics = async () => ({ contentType: "text/plain; version=0.0.4", text: "sansproxy_ready 1\n" });
  server = startKubeProxyServer({ host: "127.0.0.1", port }, metrics, log, 10);
}

const get = async (path: string) => {
  await expect.poll(() => server.port).toBeDefined();
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
  return [response.status, await response.text()];
};

test("it says that no mode of kube-proxy's is at work, that it lives, and what it has counted", async () => {
  await start();
  expect(await get("/proxyMode")).toEqual([200, "ebpf"]);
  expect(await get("/healthz")).toEqual([200, "ok"]);
  expect(await get("/metrics")).toEqual([200, "sansproxy_ready 1\n"]);
  expect((await get("/configz"))[0]).toBe(404);
});

test("it waits for the port while another has it, and says so once, and that it has it", async () => {
  const port = await freePort();
  const other = createServer().listen(port, "127.0.0.1");
  await once(other, "listening");
  await start(port);
  await expect.poll(() => lines.length).toBe(1);
  expect(lines[0]).toContain("EADDRINUSE");
  other.close();
  expect(await get("/proxyMode")).toEqual([200, "ebpf"]);
  expect(lines).toHaveLength(2);
  expect(lines[1]).toContain("listening on metricsBindAddress now");
});
