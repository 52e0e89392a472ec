// SPDX-License-Identifier: Apache-2.0
// Answers on the port where kube-proxy does what monitoring and tests ask it: /proxyMode, /metrics and /healthz.

import type { ServerResponse } from "node:http";
import type { HttpAnswers } from "./http-server.ts";
import type { Log } from "./log.ts";
import { createServer } from "./node-http.ts";
import { type BindAddress, PatientListener } from "./patient-listener.ts";

/** kube-proxy knows iptables, ipvs and nftables; what asks for one of these must not take us for it. */
const PROXY_MODE = "ebpf";
const RETRY_MS = 15_000;

/** While kube-proxy still runs, as in a migration, it has the port: serving does not wait for it, whatever the reason. */
export function startKubeProxyServer(
  bind: BindAddress,
  metrics: HttpAnswers["metrics"],
  log: Log,
  retryMs = RETRY_MS,
): PatientListener {
  const server = createServer((request, response) => {
    answer(new URL(request.url ?? "/", "http://agent").pathname, response, metrics).catch((error: unknown) =>
      send(response, 500, error instanceof Error ? error.message : String(error)),
    );
  });
  server.keepAliveTimeout = 5_000;
  const listener = new PatientListener(server, {
    ...{ bind, setting: "metricsBindAddress", log, retryMs },
    isCurable: () => true,
  });
  void listener.start();
  return listener;
}

async function answer(path: string, response: ServerResponse, metrics: HttpAnswers["metrics"]): Promise<void> {
  if (path === "/proxyMode") return send(response, 200, PROXY_MODE);
  if (path === "/healthz") return send(response, 200, "ok");
  if (path !== "/metrics") return send(response, 404, "there are /proxyMode, /metrics and /healthz");
  const { contentType, text } = await metrics();
  response.writeHead(200, { "content-type": contentType }).end(text);
}

function send(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" })
    .end(text);
}
