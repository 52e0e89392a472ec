// SPDX-License-Identifier: Apache-2.0
// Answers /healthz, /readyz and /metrics on the address that load balancers and the kubelet ask.

import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HttpAnswers {
  /** Why the process should be restarted, or undefined. */
  readonly unhealthy: () => string | undefined;
  /** Serves 200 when `ready`, otherwise 503, with all of it as the body. */
  readonly readiness: () => { readonly ready: boolean } & Readonly<Record<string, unknown>>;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

/** Resolves when it listens; rejects with the remedy when the address is taken. */
export async function serveHttp(bind: BindAddress, answers: HttpAnswers): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    answer(request.method ?? "", new URL(request.url ?? "/", "http://agent").pathname, response, answers).catch(
      (error: unknown) => send(response, 500, { error: error instanceof Error ? error.message : String(error) }),
    );
  });
  server.keepAliveTimeout = 5_000;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(bind.port, bind.host, resolve);
  try {
    await promise;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      `cannot listen on kubeProxyReplacementHealthzBindAddr ${bind.host}:${bind.port}: ${code}; ` +
        (code === "EADDRINUSE" ? "another process (kube-proxy?) has the port: stop it or choose another" : "check it"),
    );
  }
  return { server, port: (server.address() as AddressInfo).port };
}

async function answer(method: string, path: string, response: ServerResponse, answers: HttpAnswers): Promise<void> {
  if (method !== "GET" && method !== "HEAD") return send(response, 405, { error: "GET only" });
  switch (path) {
    case "/healthz": {
      const reason = answers.unhealthy();
      return send(response, reason === undefined ? 200 : 503, { healthy: reason === undefined, reason: reason ?? "" });
    }
    case "/readyz": {
      const readiness = answers.readiness();
      return send(response, readiness.ready ? 200 : 503, readiness);
    }
    case "/metrics": {
      const { contentType, text } = await answers.metrics();
      response.writeHead(200, { "content-type": contentType }).end(text);
      return;
    }
    default:
      return send(response, 404, { error: "not found; there are /healthz, /readyz and /metrics" });
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}
