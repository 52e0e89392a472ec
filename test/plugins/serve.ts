// SPDX-License-Identifier: Apache-2.0
// Carries a stand-in provider over Pulumi's ResourceProvider protocol: the engine cannot tell it from a plugin in Go.
import * as grpc from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import type * as messages from "@pulumi/pulumi/proto/provider_pb.js";
import type { Struct } from "google-protobuf/google/protobuf/struct_pb.js";
import { connectLog, type EngineLog } from "./engine-log.ts";
import { announce, engineAddress, listen } from "./listen.ts";
import type { Provider, Subject } from "./provider.ts";
import * as reply from "./replies.ts";
import { type Dict, decodeDict } from "./values.ts";

type Handler<Request> = (request: Request) => Promise<unknown>;

const properties = (struct: Struct | undefined): Dict =>
  struct === undefined ? {} : decodeDict(struct.toJavaScript() as Record<string, unknown>);

interface AboutResource {
  getUrn(): string;
}

const lastPart = (urn: string): string => urn.slice(urn.lastIndexOf("::") + 2);
const typeOf = (urn: string): string => urn.split("::")[2]?.split("$").at(-1) ?? "";

const handlers = (provider: Provider, log: () => EngineLog, attach: (address: string) => void) => {
  const cancellation = new AbortController();
  const subject = (request: AboutResource & { getTimeout?(): number }): Subject => {
    const urn = request.getUrn();
    return {
      urn,
      type: typeOf(urn),
      name: lastPart(urn),
      signal: cancellation.signal,
      timeoutSeconds: request.getTimeout?.() ?? 0,
      log: (severity, message, options) => log().write(severity, message, { urn, ...options }),
    };
  };
  return {
    cancellation,
    methods: {
      handshake: async (request: messages.ProviderHandshakeRequest) => {
        attach(request.getEngineAddress());
        return reply.handshake();
      },
      getPluginInfo: async () => reply.pluginInfo(provider.version),
      attach: async (request: { getAddress(): string }) => {
        attach(request.getAddress());
        return reply.empty();
      },
      getSchema: async () => reply.schema(provider.name, provider.version),
      checkConfig: async (request: messages.CheckRequest) => {
        const news = properties(request.getNews());
        return reply.checked(provider.checkConfiguration?.(news) ?? { inputs: news, failures: [] });
      },
      diffConfig: async (request: messages.DiffRequest) => {
        const olds = properties(request.getOldInputs() ?? request.getOlds());
        const differs = provider.diffConfiguration?.(olds, properties(request.getNews()));
        return reply.differs(differs ?? { changes: new Map(), replaces: [] });
      },
      configure: async (request: messages.ConfigureRequest) => {
        await provider.configure?.(properties(request.getArgs()));
        return reply.configured();
      },
      check: async (request: messages.CheckRequest) =>
        reply.checked(
          await provider.check(
            subject(request),
            properties(request.getOlds()),
            properties(request.getNews()),
            request.getRandomseed() as Uint8Array,
          ),
        ),
      diff: async (request: messages.DiffRequest) =>
        reply.differs(
          await provider.diff(
            subject(request),
            request.getId(),
            properties(request.getOldInputs()),
            properties(request.getOlds()),
            properties(request.getNews()),
          ),
        ),
      create: async (request: messages.CreateRequest) => {
        const inputs = properties(request.getProperties());
        return reply.created(await provider.create(subject(request), inputs, request.getPreview()));
      },
      read: async (request: messages.ReadRequest) => {
        const [inputs, outputs] = [properties(request.getInputs()), properties(request.getProperties())];
        return reply.found(await provider.read(subject(request), request.getId(), inputs, outputs));
      },
      update: async (request: messages.UpdateRequest) =>
        reply.updated(
          await provider.update(
            subject(request),
            request.getId(),
            properties(request.getOldInputs()),
            properties(request.getOlds()),
            properties(request.getNews()),
            request.getPreview(),
          ),
        ),
      delete: async (request: messages.DeleteRequest) => {
        const [inputs, outputs] = [properties(request.getOldInputs()), properties(request.getProperties())];
        await provider.delete(subject(request), request.getId(), inputs, outputs);
        return reply.empty();
      },
      invoke: async (request: messages.InvokeRequest) => {
        if (provider.invoke === undefined) throw new Error(`${provider.name} has no function ${request.getTok()}`);
        return reply.invoked(
          await provider.invoke(request.getTok(), properties(request.getArgs()), cancellation.signal),
        );
      },
      cancel: async () => {
        cancellation.abort(new Error("the update was cancelled"));
        return reply.empty();
      },
    },
  };
};

const unary =
  <Request>(handle: Handler<Request>, settled: () => Promise<void>) =>
  (call: grpc.ServerUnaryCall<Request, unknown>, callback: grpc.sendUnaryData<unknown>): void => {
    handle(call.request).then(
      (response) => void settled().then(() => callback(null, response)),
      (error: unknown) => void settled().then(() => callback(reply.failed(error), null)),
    );
  };

const absent = (name: string) => (_: unknown, callback: grpc.sendUnaryData<unknown>) =>
  callback({ code: grpc.status.UNIMPLEMENTED, details: `this stand-in does not answer ${name}` }, null);

/** Serves `provider` until the engine interrupts this process. */
export const serve = async (provider: Provider, argv: readonly string[] = process.argv.slice(2)): Promise<void> => {
  let engine = connectLog(engineAddress(argv));
  let address = engineAddress(argv);
  const attach = (to: string): void => {
    if (to === "" || to === address) return;
    engine.close();
    address = to;
    engine = connectLog(to);
  };
  const { methods, cancellation } = handlers(provider, () => engine, attach);
  const running = new Set<Promise<unknown>>();
  const implementation: grpc.UntypedServiceImplementation = {};
  for (const name of Object.keys(services.ResourceProviderService)) {
    const method = (methods as Record<string, Handler<never> | undefined>)[name];
    if (method === undefined) {
      implementation[name] = absent(name);
      continue;
    }
    const tracked = (request: never): Promise<unknown> => {
      const work = method(request);
      running.add(work);
      const done = (): void => void running.delete(work);
      work.then(done, done);
      return work;
    };
    implementation[name] = unary(tracked, () => engine.flush()) as grpc.UntypedHandleCall;
  }
  const listening = await listen(services.ResourceProviderService, implementation);
  announce(listening, async () => {
    cancellation.abort(new Error("the plugin was stopped"));
    await Promise.allSettled(running);
    await provider.close?.();
    listening.close();
  });
};
