// SPDX-License-Identifier: Apache-2.0
// Writes a plugin's messages into the engine's display, in the order they were said.
import * as grpc from "@grpc/grpc-js";
import engineServices from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engineMessages from "@pulumi/pulumi/proto/engine_pb.js";

export type Severity = "debug" | "info" | "warning" | "error";

export interface EngineLog {
  /** A message about a resource; an ephemeral one is shown while the resource is worked on, and not kept. */
  write(severity: Severity, message: string, options?: { readonly urn?: string; readonly ephemeral?: boolean }): void;
  /** Waits until the engine has everything written so far. */
  flush(): Promise<void>;
  close(): void;
}

const severities = {
  debug: engineMessages.LogSeverity.DEBUG,
  info: engineMessages.LogSeverity.INFO,
  warning: engineMessages.LogSeverity.WARNING,
  error: engineMessages.LogSeverity.ERROR,
};

/** With no engine to talk to (a plugin started by hand) messages go to stderr. */
const stderrLog: EngineLog = {
  write: (severity, message) => void process.stderr.write(`${severity}: ${message}\n`),
  flush: async () => {},
  close: () => {},
};

export const connectLog = (address: string | undefined): EngineLog => {
  if (address === undefined) return stderrLog;
  const client = new engineServices.EngineClient(address, grpc.credentials.createInsecure());
  let last: Promise<void> = Promise.resolve();
  const send = (request: InstanceType<typeof engineMessages.LogRequest>): Promise<void> =>
    new Promise((resolve) => {
      client.log(request, (error: grpc.ServiceError | null) => {
        if (error) process.stderr.write(`the engine did not take a message: ${error.message}\n`);
        resolve();
      });
    });
  return {
    write(severity, message, options = {}) {
      const request = new engineMessages.LogRequest();
      request.setSeverity(severities[severity]);
      request.setMessage(message);
      request.setUrn(options.urn ?? "");
      request.setEphemeral(options.ephemeral ?? false);
      last = last.then(() => send(request));
    },
    flush: () => last,
    close: () => client.close(),
  };
};
