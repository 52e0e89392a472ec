// SPDX-License-Identifier: Apache-2.0
// Listens on the health check ports of Services with externalTrafficPolicy Local, and answers load balancers as kube-proxy does.

import type { Server, ServerResponse } from "node:http";
import type { HealthCheck } from "../core/health-checks.ts";
import type { Problem } from "../core/problem.ts";
import { createServer } from "./node-http.ts";

interface Listener {
  readonly server: Server;
  check: HealthCheck;
  problem: Problem | undefined;
}

export class HealthCheckPorts {
  readonly #isHealthy: () => boolean;
  readonly #onProblem: () => void;
  readonly #host: string | undefined;
  readonly #listeners = new Map<number, Listener>();

  /** `isHealthy`: the Service proxy itself is in order. `onProblem`: one more port cannot be opened. Listens on all addresses. */
  constructor(isHealthy: () => boolean, onProblem: () => void, host?: string) {
    this.#isHealthy = isHealthy;
    this.#onProblem = onProblem;
    this.#host = host;
  }

  /** Listens on exactly these ports. A port that was refused before is tried again. */
  sync(checks: readonly HealthCheck[]): void {
    const wanted = new Map(checks.map((check) => [check.port, check]));
    for (const [port, listener] of this.#listeners) {
      const check = wanted.get(port);
      if (!check) this.#close(port, listener);
      else listener.check = check;
      if (check && listener.problem) listener.server.listen(port, this.#host);
    }
    for (const check of checks) if (!this.#listeners.has(check.port)) this.#listen(check);
  }

  /** Ports that could not be opened. */
  problems(): Problem[] {
    return [...this.#listeners.values()].flatMap(({ problem }) => problem ?? []);
  }

  close(): void {
    for (const [port, listener] of this.#listeners) this.#close(port, listener);
  }

  #listen(check: HealthCheck): void {
    const server = createServer((request, response) => {
      request.resume();
      answer(response, listener.check, this.#isHealthy());
    });
    const listener: Listener = { server, check, problem: undefined };
    this.#listeners.set(check.port, listener);
    server.keepAliveTimeout = 5_000;
    server.on("error", (error: NodeJS.ErrnoException) => {
      const { namespace, name, port } = listener.check;
      const isNew = listener.problem === undefined;
      listener.problem = {
        service: `${namespace}/${name}`,
        reason: "HealthCheckPort",
        message:
          `Service ${namespace}/${name}: its health check port ${port} cannot be opened on this node ` +
          `(${error.code ?? error.message}), so load balancers take it for having no endpoints; free the port.`,
      };
      if (isNew) this.#onProblem();
    });
    server.on("listening", () => {
      listener.problem = undefined;
    });
    server.listen(check.port, this.#host);
  }

  #close(port: number, { server }: Listener): void {
    this.#listeners.delete(port);
    server.close();
    server.closeAllConnections();
  }
}

/** Any path and method: load balancers differ in what they ask. */
function answer(response: ServerResponse, { namespace, name, localEndpoints }: HealthCheck, healthy: boolean): void {
  const body = { service: { namespace, name }, localEndpoints, serviceProxyHealthy: healthy };
  response
    .writeHead(localEndpoints > 0 && healthy ? 200 : 503, {
      "content-type": "application/json",
      "x-content-type-options": "nosniff",
      "x-load-balancing-endpoint-weight": String(localEndpoints),
    })
    .end(JSON.stringify(body, null, "\t"));
}
