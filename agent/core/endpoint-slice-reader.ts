// SPDX-License-Identifier: Apache-2.0
// Reads an EndpointSlice from the bytes of its JSON as `readEndpointSlice` does from the objects of it: there are many, and they change all the time.

import { Endpoints } from "./endpoints.ts";
import { END, fieldNames, type JsonReader } from "./json-reader.ts";
import {
  type EndpointSlice,
  HEADLESS_LABEL,
  objectKey,
  readSlicePorts,
  readTime,
  SERVICE_NAME_LABEL,
  TRIGGER_TIME_ANNOTATION,
} from "./kubernetes-objects.ts";
import { TextPool } from "./text-pool.ts";

/** What was read of an object, with its version, which is not kept with each. */
export interface Seen<T> {
  readonly object: T;
  readonly resourceVersion: string;
}

const [METADATA, ADDRESS_TYPE, PORTS, ENDPOINTS] = [0, 1, 2, 3];
const SLICE = fieldNames("metadata", "addressType", "ports", "endpoints");
const [NAMESPACE, NAME, VERSION, LABELS, ANNOTATIONS] = [0, 1, 2, 3, 4];
const META = fieldNames("namespace", "name", "resourceVersion", "labels", "annotations");
const [SERVICE_NAME, HEADLESS] = [0, 1];
const TRIGGER_TIME = 0;
const LABEL_NAMES = fieldNames(SERVICE_NAME_LABEL, HEADLESS_LABEL);
const ANNOTATION_NAMES = fieldNames(TRIGGER_TIME_ANNOTATION);

/** As they are written. */
const portsBySource = new TextPool((source) => readSlicePorts(JSON.parse(source)));
const NO_PORTS = readSlicePorts([]);

const namespaces = new TextPool((name) => name);

class Metadata {
  namespace = "";
  name = "";
  resourceVersion = "";
  service = "";
  headless = false;
  triggeredAt = 0;
}

/** `known`: the slice of that key as it was; what has not changed keeps its texts. */
export function scanEndpointSlice(
  json: JsonReader,
  known: (key: string) => EndpointSlice | undefined,
): Seen<EndpointSlice> {
  let metadata = new Metadata();
  let before: EndpointSlice | undefined;
  let addressType = "";
  let ports = NO_PORTS;
  let endpoints = Endpoints.NONE;
  for (let field = json.enterObject() ? json.field(SLICE) : END; field !== END; field = json.field(SLICE)) {
    if (field === METADATA) {
      metadata = readMetadata(json);
      before = known(objectKey(metadata));
    } else if (field === ADDRESS_TYPE) addressType = readAddressType(json);
    else if (field === PORTS) ports = portsBySource.get(json.source());
    else if (field === ENDPOINTS) endpoints = Endpoints.read(json, before?.endpoints ?? Endpoints.NONE);
    else json.pass();
  }
  const { namespace, name, resourceVersion, headless, triggeredAt } = metadata;
  const service = metadata.service === "" ? "" : objectKey({ namespace, name: metadata.service });
  const object: EndpointSlice = {
    namespace,
    name: before?.name ?? name,
    triggeredAt,
    service: before?.service === service ? before.service : service,
    headless,
    addressType,
    ports,
    endpoints: endpoints.ofType(addressType),
  };
  return { object, resourceVersion };
}

function readMetadata(json: JsonReader): Metadata {
  const metadata = new Metadata();
  for (let field = json.enterObject() ? json.field(META) : END; field !== END; field = json.field(META)) {
    if (field === NAMESPACE) metadata.namespace = namespaces.get(json.text());
    else if (field === NAME) metadata.name = json.text();
    else if (field === VERSION) metadata.resourceVersion = json.text();
    else if (field === LABELS) readLabels(json, metadata);
    else if (field === ANNOTATIONS) metadata.triggeredAt = readTriggerTime(json);
    else json.pass();
  }
  return metadata;
}

function readLabels(json: JsonReader, metadata: Metadata): void {
  metadata.service = "";
  metadata.headless = false;
  for (let field = json.enterObject() ? json.field(LABEL_NAMES) : END; field !== END; field = json.field(LABEL_NAMES)) {
    if (field === SERVICE_NAME) metadata.service = json.text();
    else {
      metadata.headless ||= field === HEADLESS;
      json.pass();
    }
  }
}

function readTriggerTime(json: JsonReader): number {
  let time = "";
  const names = ANNOTATION_NAMES;
  for (let field = json.enterObject() ? json.field(names) : END; field !== END; field = json.field(names)) {
    if (field === TRIGGER_TIME) time = json.text();
    else json.pass();
  }
  return readTime(time);
}

/** One text for all that are of a type. */
const readAddressType = (json: JsonReader): string =>
  ["IPv4", "IPv6"].find((type) => json.passText(type)) ?? json.text();
