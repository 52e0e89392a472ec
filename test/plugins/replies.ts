// SPDX-License-Identifier: Apache-2.0
// Builds the protocol's answers from a provider's plain results.
import * as grpc from "@grpc/grpc-js";
import plugins from "@pulumi/pulumi/proto/plugin_pb.js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import statuses from "@pulumi/pulumi/proto/status_pb.js";
import anyProto from "google-protobuf/google/protobuf/any_pb.js";
import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";
import structProto from "google-protobuf/google/protobuf/struct_pb.js";
import type { Change } from "./difference.ts";
import { type Checked, type Created, type Differs, type Found, InitializationFailed } from "./provider.ts";
import { type Dict, encodeDict } from "./values.ts";

const struct = (dict: Dict) =>
  structProto.Struct.fromJavaScript(encodeDict(dict) as Parameters<typeof structProto.Struct.fromJavaScript>[0]);

export const empty = () => new emptyProto.Empty();

/** Secrets come as secrets; resource references and outputs come as plain values. */
export const handshake = () => {
  const response = new messages.ProviderHandshakeResponse();
  response.setAcceptSecrets(true);
  return response;
};

export const configured = () => {
  const response = new messages.ConfigureResponse();
  response.setAcceptsecrets(true);
  response.setSupportspreview(true);
  return response;
};

export const pluginInfo = (version: string) => {
  const response = new plugins.PluginInfo();
  response.setVersion(version);
  return response;
};

export const schema = (name: string, version: string) => {
  const response = new messages.GetSchemaResponse();
  const description = `A stand-in for the official ${name} plugin, with real effects. It carries no types.`;
  response.setSchema(JSON.stringify({ name, version, description, resources: {}, functions: {} }));
  return response;
};

export const checked = ({ inputs, failures }: Checked) => {
  const response = new messages.CheckResponse();
  response.setInputs(struct(inputs));
  response.setFailuresList(
    failures.map(({ property, reason }) => {
      const failure = new messages.CheckFailure();
      failure.setProperty(property);
      failure.setReason(reason);
      return failure;
    }),
  );
  return response;
};

const kindOf = (change: Change, replace: boolean) => {
  const kind = messages.PropertyDiff.Kind;
  if (change === "add") return replace ? kind.ADD_REPLACE : kind.ADD;
  if (change === "delete") return replace ? kind.DELETE_REPLACE : kind.DELETE;
  return replace ? kind.UPDATE_REPLACE : kind.UPDATE;
};

export const differs = ({ changes, replaces, deleteBeforeReplace }: Differs) => {
  const response = new messages.DiffResponse();
  const outcome = messages.DiffResponse.DiffChanges;
  response.setChanges(changes.size > 0 ? outcome.DIFF_SOME : outcome.DIFF_NONE);
  response.setDiffsList([...changes.keys()]);
  response.setReplacesList([...replaces]);
  response.setDeletebeforereplace(deleteBeforeReplace ?? false);
  response.setHasdetaileddiff(true);
  for (const [path, change] of changes) {
    const detail = new messages.PropertyDiff();
    detail.setKind(kindOf(change, replaces.includes(path)));
    detail.setInputdiff(true);
    response.getDetaileddiffMap().set(path, detail);
  }
  return response;
};

export const created = ({ id, outputs }: Created) => {
  const response = new messages.CreateResponse();
  response.setId(id);
  response.setProperties(struct(outputs));
  return response;
};

/** An absent resource has an empty id. */
export const found = (resource: Found | undefined) => {
  const response = new messages.ReadResponse();
  if (resource === undefined) return response;
  response.setId(resource.id);
  response.setProperties(struct(resource.outputs));
  response.setInputs(struct(resource.inputs));
  return response;
};

export const updated = (outputs: Dict) => {
  const response = new messages.UpdateResponse();
  response.setProperties(struct(outputs));
  return response;
};

export const invoked = (outputs: Dict) => {
  const response = new messages.InvokeResponse();
  response.setReturn(struct(outputs));
  return response;
};

/** The state of a half-made resource goes with the error, in the place where gRPC's rich errors have their details. */
const initializationFailed = (error: InitializationFailed): grpc.Metadata => {
  const detail = new messages.ErrorResourceInitFailed();
  detail.setId(error.created.id);
  detail.setProperties(struct(error.created.outputs));
  detail.setInputs(struct(error.created.inputs));
  detail.setReasonsList([...error.reasons]);
  const packed = new anyProto.Any();
  packed.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new statuses.Status();
  status.setCode(grpc.status.UNKNOWN);
  status.setMessage(error.message);
  status.addDetails(packed);
  const metadata = new grpc.Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  return metadata;
};

export const failed = (error: unknown): Partial<grpc.StatusObject> => {
  const details = error instanceof Error ? error.message : String(error);
  if (!(error instanceof InitializationFailed)) return { code: grpc.status.UNKNOWN, details };
  return { code: grpc.status.UNKNOWN, details, metadata: initializationFailed(error) };
};
