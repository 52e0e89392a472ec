// SPDX-License-Identifier: Apache-2.0
// Starts a plugin's gRPC server the way the engine expects: a free loopback port, printed as the first line of stdout.
import * as grpc from "@grpc/grpc-js";

const unlimited = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };

export interface Listening {
  readonly port: number;
  close(): void;
}

/** Serves `implementation` on 127.0.0.1. */
export const listen = (
  service: grpc.ServiceDefinition,
  implementation: grpc.UntypedServiceImplementation,
): Promise<Listening> => {
  const server = new grpc.Server(unlimited);
  server.addService(service, implementation);
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve({ port, close: () => server.forceShutdown() });
    });
  });
};

/** The engine's address: the last argument that is not an option. */
export const engineAddress = (argv: readonly string[]): string | undefined =>
  argv.filter((argument) => !argument.startsWith("-")).at(-1);

/**
 * Announces the port and lives until the engine interrupts this process or goes away (its end of stdin closes).
 * `stop` ends what is still running; the engine kills what has not gone after five seconds.
 */
export const announce = (listening: Listening, stop: () => Promise<void>): void => {
  let stopping = false;
  const end = (): void => {
    if (stopping) return;
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  process.stdin.once("end", end);
  process.stdin.resume();
  process.stdout.write(`${listening.port}\n`);
};
