// SPDX-License-Identifier: Apache-2.0
// Answers /healthz, /livez, /readyz and /metrics on the address that load balancers and the kubelet ask, and /state to this machine.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { HealthQuestion } from "./kube-proxy-metrics.ts";
import type { Log } from "./log.ts";
import { createServer } from "./node-http.ts";
import { type BindAddress, PatientListener } from "./patient-listener.ts";

/** Shorter than a probe of the kubelet's lets the agent be away. */
const RETRY_MS = 2_000;
const SETTING = "kubeProxyReplacementHealthzBindAddr";

export interface HttpAnswers {
  readonly health: () => Health;
  /** Called for each answer about health. */
  readonly healthAnswered: (question: HealthQuestion, status: number) => void;
  /** Serves 200 when `ready`, otherwise 503, with all of it as the body. */
  readonly readiness: () => { readonly ready: boolean } & Readonly<Record<string, unknown>>;
  /** What the operator's command asks; undefined where there is nothing. Only told to this machine itself. */
  readonly state: (path: string, query: URLSearchParams) => object | undefined;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface Health {
  /** Why the process should be restarted; empty when it is well. */
  readonly reason: string;
  /** False while load balancers should leave this node, because it goes away. */
  readonly nodeEligible: boolean;
  readonly lastUpdated: Date | undefined;
}

/**
 * Resolves when it listens, or waits for another process, such as kube-proxy, to leave the address: Services are served
 * meanwhile. Rejects with the remedy when the address cannot be had at all.
 */
export async function serveHttp(
  bind: BindAddress,
  answers: HttpAnswers,
  log: Log,
  retryMs = RETRY_MS,
): Promise<PatientListener> {
  const server = createServer((request, response) => {
    answer(request, response, answers).catch((error: unknown) =>
      send(response, 500, { error: error instanceof Error ? error.message : String(error) }),
    );
  });
  server.keepAliveTimeout = 5_000;
  const listener = new PatientListener(server, {
    ...{ bind, setting: SETTING, log, retryMs },
    isCurable: (code) => code === "EADDRINUSE",
  });
  try {
    await listener.start();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`cannot listen on ${SETTING} ${bind.host}:${bind.port}: ${code ?? message}; correct it`);
  }
  return listener;
}

async function answer(request: IncomingMessage, response: ServerResponse, answers: HttpAnswers): Promise<void> {
  const { method } = request;
  const { pathname: path, searchParams } = new URL(request.url ?? "/", "http://agent");
  if (method !== "GET" && method !== "HEAD") return send(response, 405, { error: "GET only" });
  if (path === "/state" || path.startsWith("/state/")) return sendState(request, response, answers, path, searchParams);
  switch (path) {
    case "/healthz":
      return answers.healthAnswered("healthz", sendHealth(response, answers.health(), true));
    case "/livez":
      return answers.healthAnswered("livez", sendHealth(response, answers.health(), false));
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
      return send(response, 404, { error: "not found; there are /healthz, /livez, /readyz and /metrics" });
  }
}

/** A name that a browser was made to resolve to us is no question of this machine's operator. */
function sendState(
  { socket, headers }: IncomingMessage,
  response: ServerResponse,
  answers: HttpAnswers,
  path: string,
  query: URLSearchParams,
): void {
  const isLoopback = (address = "") => /^(::ffff:)?127\.|^::1$/.test(address);
  const isNamed = /^(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?$/.test(headers.host ?? "");
  if (!isLoopback(socket.remoteAddress) || !isLoopback(socket.localAddress) || !isNamed)
    send(response, 403, { error: "only told to this machine itself, over the loopback" });
  else {
    const state = answers.state(path, query);
    send(response, state ? 200 : 404, state ?? { error: "not found" });
  }
}

/** As kube-proxy: load balancers ask /healthz, which also says whether the node stays; the kubelet asks /livez. Returns the status. */
function sendHealth(response: ServerResponse, health: Health, asksNode: boolean): number {
  const { reason, nodeEligible, lastUpdated } = health;
  const healthy = reason === "";
  const good = healthy && (nodeEligible || !asksNode);
  const currentTime = new Date();
  const status = good ? 200 : 503;
  send(response, status, {
    // Recent whenever all is well, as kube-proxy has it: nothing to do is no delay.
    lastUpdated: good ? currentTime : (lastUpdated ?? null),
    currentTime,
    ...(asksNode ? { nodeEligible } : {}),
    healthy,
    reason,
  });
  return status;
}

function send(response: ServerResponse, status: number, body: object): void {
  response
    .writeHead(status, { "content-type": "application/json", "x-content-type-options": "nosniff" })
    .end(`${JSON.stringify(body)}\n`);
}
