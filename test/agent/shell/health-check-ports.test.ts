// SPDX-License-Identifier: Apache-2.0
// Asks health check ports as a load balancer does: status, header and body, and what a changed or taken port does.

import { createServer } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { HealthCheckPorts } from "../../../agent/shell/health-check-ports.ts";
import { freePort } from "../../support/free-port.ts";

let ports: HealthCheckPorts | undefined;
afterEach(() => ports?.close());

const web = (port: number, localEndpoints: number) => ({ namespace: "ns", name: "web", port, localEndpoints });

const ask = (port: number) => fetch(`http://127.0.0.1:${port}/any`, { headers: { connection: "close" } });

async function start(port: number, localEndpoints: number, healthy = true): Promise<HealthCheckPorts> {
  ports = new HealthCheckPorts(
    () => healthy,
    () => undefined,
    "127.0.0.1",
  );
  ports.sync([web(port, localEndpoints)]);
  await expect
    .poll(() =>
      ask(port).then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBeGreaterThan(0);
  return ports;
}

test.each([
  [3, true, 200],
  [0, true, 503],
  [3, false, 503],
])("with %i endpoints here and the proxy healthy %s it answers %i", async (endpoints, healthy, status) => {
  const port = await freePort();
  await start(port, endpoints, healthy);
  const response = await ask(port);
  expect(response.status).toBe(status);
  expect(response.headers.get("x-load-balancing-endpoint-weight")).toBe(String(endpoints));
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await response.json()).toEqual({
    service: { namespace: "ns", name: "web" },
    localEndpoints: endpoints,
    serviceProxyHealthy: healthy,
  });
});

test("it follows the endpoints without closing, and closes with its Service", async () => {
  const port = await freePort();
  const all = await start(port, 0);
  all.sync([web(port, 1)]);
  expect((await ask(port)).status).toBe(200);
  all.sync([]);
  await expect(ask(port)).rejects.toThrow();
});

test("a taken port is a problem of the Service until it is free", async () => {
  const squatter = createServer();
  const port = await freePort();
  await new Promise<void>((resolve) => squatter.listen(port, "127.0.0.1", resolve));
  const onProblem = vi.fn();
  const all = new HealthCheckPorts(() => true, onProblem, "127.0.0.1");
  ports = all;
  all.sync([web(port, 1)]);
  await expect
    .poll(() => all.problems().map(({ service, reason }) => `${service} ${reason}`))
    .toEqual(["ns/web HealthCheckPort"]);
  all.sync([web(port, 1)]);
  expect(all.problems()).toHaveLength(1);
  await new Promise((resolve) => squatter.close(resolve));
  await expect
    .poll(() => {
      all.sync([web(port, 1)]);
      return all.problems();
    })
    .toEqual([]);
  expect((await ask(port)).status).toBe(200);
  expect(onProblem).toHaveBeenCalledTimes(1);
});
