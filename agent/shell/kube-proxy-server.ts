// SPDX-License-Identifier: Apache-2.0
// Answers on the port where kube-proxy does what monitoring and tests ask it: /proxyMode, /metrics and /healthz.

import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { BindAddress, HttpAnswers } from "./http-server.ts";
import type { Log } from "./log.ts";
import { createServer } from "./node-http.ts";

/** kube-proxy knows iptables, ipvs and nftables; what asks for one of these must not take us for it. */
const PROXY_MODE = "ebpf";
const RETRY_MS = 15_000;

/** While kube-proxy still runs, as in a migration, it has the port: serving does not wait for it. */
export class KubeProxyServer {
  readonly #bind: BindAddress;
  readonly #server: Server;
  readonly #log: Log;
  readonly #retryMs: number;
  #timer: NodeJS.Timeout | undefined;
  #complained = false;

  constructor(bind: BindAddress, metrics: HttpAnswers["metrics"], log: Log, retryMs = RETRY_MS) {
    this.#bind = bind;
    this.#log = log;
    this.#retryMs = retryMs;
    this.#server = createServer((request, response) => {
      answer(new URL(request.url ?? "/", "http://agent").pathname, response, metrics).catch((error: unknown) =>
        send(response, 500, error instanceof Error ? error.message : String(error)),
      );
    });
    this.#server.keepAliveTimeout = 5_000;
    this.#server.on("error", (error: NodeJS.ErrnoException) => this.#refused(error));
    this.#server.on("listening", () => this.#log.debug("serving kube-proxy's status port", { ...bind }));
  }

  /** The port that it listens on; undefined while it does not. */
  get port(): number | undefined {
    return (this.#server.address() as AddressInfo | null)?.port;
  }

  start(): void {
    this.#server.listen(this.#bind.port, this.#bind.host);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #refused({ code, message }: NodeJS.ErrnoException): void {
    if (!this.#complained)
      this.#log.warn("cannot listen on metricsBindAddress yet, trying again", {
        ...this.#bind,
        error: code ?? message,
      });
    this.#complained = true;
    this.#timer = setTimeout(() => this.start(), this.#retryMs);
  }
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
