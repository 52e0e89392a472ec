// SPDX-License-Identifier: Apache-2.0
// What a Pod's own kernel knows of its connections: whom a socket really talks to, and who answered.

import type { StackUnderTest } from "./stack-under-test.ts";

/** `peer` is the `address:port` of the socket as the kernel has it, which no program of ours can hide from `ss`. */
export interface Connection {
  readonly peer: string;
  readonly answeredBy: string;
}

/** Opens a TCP connection in the Pod and asks for `/hostname` over it. */
export function connectionOf(stack: StackUnderTest, pod: string, address: string, port: number): Connection {
  const script = `exec 3<>/dev/tcp/${address}/${port}
    ss --tcp --numeric --no-header state established
    printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' >&3
    echo; tail -n 1 <&3`;
  const [sockets = "", answeredBy = ""] = stack.kubectl("exec", pod, "--", "bash", "-c", script).split("\n\n");
  const [peer = ""] = sockets.trim().split(/\s+/).slice(-1);
  return { peer, answeredBy: answeredBy.trim() };
}

/** Names that `connectedDatagrams` has heard, the last one last. */
export function datagramAnswers(stack: StackUnderTest, pod: string): string[] {
  return stack.kubectl("logs", pod).split("\n").filter(Boolean);
}
