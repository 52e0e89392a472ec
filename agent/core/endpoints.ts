// SPDX-License-Identifier: Apache-2.0
// The endpoints of one EndpointSlice as columns: there may be hundreds of thousands, so none is an object of its own.

import { parseIp } from "./ip-address.ts";
import { type Json, list, record, text, texts } from "./json.ts";
import { END, fieldNames, type JsonReader } from "./json-reader.ts";
import { TextPool } from "./text-pool.ts";

export interface Endpoint {
  /** Canonical, of the slice's family; empty when it is none. Kubernetes defines the first address only. */
  readonly address: string;
  readonly nodeName: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Zones and nodes that the controller means this endpoint for; empty when it says nothing. */
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
}

interface Hints {
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
}

interface Columns {
  readonly addresses: readonly string[];
  readonly nodeNames: readonly string[];
  /** One character each. */
  readonly conditions: string;
  /** Undefined when no endpoint has any. */
  readonly hints: readonly Hints[] | undefined;
}

const READY = 1;
const SERVING = 2;
const TERMINATING = 4;
const NO_HINTS: Hints = { zones: [], nodes: [] };

const nodeNames = new TextPool((name) => name);
const hintsByText = new TextPool((json) => JSON.parse(json) as Hints);
/** As they are written. */
const conditionsBySource = new TextPool((source) => conditionsOf(record(JSON.parse(source))));
const hintsBySource = new TextPool((source) => hintsOf(record(JSON.parse(source))));

const [ADDRESSES, CONDITIONS, NODE_NAME, HINTS] = [0, 1, 2, 3];
const FIELDS = fieldNames("addresses", "conditions", "nodeName", "hints");
const NO_CONDITIONS = String.fromCharCode(READY | SERVING);

export class Endpoints implements Iterable<Endpoint> {
  static readonly NONE = new Endpoints({ addresses: [], nodeNames: [], conditions: "", hints: undefined });

  readonly #addresses: readonly string[];
  readonly #nodeNames: readonly string[];
  readonly #conditions: string;
  readonly #hints: readonly Hints[] | undefined;

  private constructor({ addresses, nodeNames, conditions, hints }: Columns) {
    this.#addresses = addresses;
    this.#nodeNames = nodeNames;
    this.#conditions = conditions;
    this.#hints = hints;
  }

  static of(json: unknown, addressType: string): Endpoints {
    const endpoints = list(json);
    const hints = endpoints.map((endpoint) => hintsOf(record(endpoint["hints"])));
    return new Endpoints({
      addresses: endpoints.map((endpoint) => ofType(canonical(texts(endpoint["addresses"])[0] ?? ""), addressType)),
      nodeNames: endpoints.map((endpoint) => nodeNames.get(text(endpoint["nodeName"]))),
      conditions: endpoints.map((endpoint) => conditionsOf(record(endpoint["conditions"]))).join(""),
      hints: hints.every((each) => each === NO_HINTS) ? undefined : hints,
    });
  }

  /** Of any address type; what is as in `known`, which there were before, keeps its texts. */
  static read(json: JsonReader, known: Endpoints): Endpoints {
    const read = {
      addresses: [] as string[],
      nodeNames: [] as string[],
      conditions: [] as string[],
      hints: [] as Hints[],
    };
    // Where in `known` the next one is looked for.
    let place = 0;
    // Endpoints are mostly in one condition.
    let last = { source: "", conditions: "" };
    if (json.enterList()) {
      for (; json.element(); place++) {
        let [address, nodeName, conditions, hints] = ["", "", NO_CONDITIONS, NO_HINTS];
        const isObject = json.enterObject();
        for (let field = isObject ? json.field(FIELDS) : END; field !== END; field = json.field(FIELDS)) {
          if (field === ADDRESSES) {
            address = readAddress(json, known.#addresses, place);
            if (address !== "" && address === known.#addresses[place + 1]) place++;
          } else if (field === NODE_NAME) nodeName = readNodeName(json, known.#nodeNames[place]);
          else if (field === CONDITIONS) {
            if (!json.passObject(last.source)) {
              const source = json.source();
              last = { source, conditions: conditionsBySource.get(source) };
            }
            conditions = last.conditions;
          } else if (field === HINTS) hints = hintsBySource.get(json.source());
          else json.pass();
        }
        read.addresses.push(address);
        read.nodeNames.push(nodeName);
        read.conditions.push(conditions);
        read.hints.push(hints);
      }
    }
    return new Endpoints({
      addresses: kept(read.addresses, known.#addresses),
      nodeNames: kept(read.nodeNames, known.#nodeNames),
      conditions: read.conditions.join(""),
      hints: read.hints.every((each) => each === NO_HINTS) ? undefined : read.hints.slice(),
    });
  }

  /** Without the addresses that are of another type. */
  ofType(addressType: string): Endpoints {
    if (this.#addresses.every((address) => ofType(address, addressType) === address)) return this;
    return new Endpoints({
      addresses: this.#addresses.map((address) => ofType(address, addressType)),
      nodeNames: this.#nodeNames,
      conditions: this.#conditions,
      hints: this.#hints,
    });
  }

  get length(): number {
    return this.#addresses.length;
  }

  *[Symbol.iterator](): Iterator<Endpoint> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }

  at(index: number): Endpoint {
    const conditions = this.#conditions.charCodeAt(index);
    const hints = this.#hints?.[index] ?? NO_HINTS;
    return {
      address: this.#addresses[index] ?? "",
      nodeName: this.#nodeNames[index] ?? "",
      ready: (conditions & READY) !== 0,
      serving: (conditions & SERVING) !== 0,
      terminating: (conditions & TERMINATING) !== 0,
      zoneHints: hints.zones,
      nodeHints: hints.nodes,
    };
  }
}

/** The column that was there before where it is the same, else a copy, which has no room to spare. */
const kept = (read: readonly string[], known: readonly string[]): readonly string[] =>
  read.length === known.length && read.every((text, index) => text === known[index]) ? known : read.slice();

/** Empty when it is no address. */
const canonical = (address: string): string => parseIp(address)?.text ?? "";

const ofType = (address: string, addressType: string): string =>
  addressType === (address.includes(":") ? "IPv6" : "IPv4") ? address : "";

/** The first text of a list; often it is the one that was there before, or the one after that. */
function readAddress(json: JsonReader, known: readonly string[], place: number): string {
  let address: string | undefined;
  for (let more = json.enterList() && json.element(); more; more = json.element()) {
    const [same, next] = [known[place], known[place + 1]];
    if (address !== undefined || !json.isText()) json.pass();
    else if (same !== undefined && json.passText(same)) address = same;
    else if (next !== undefined && json.passText(next)) address = next;
    else address = canonical(json.text());
  }
  return address ?? "";
}

const readNodeName = (json: JsonReader, known: string | undefined): string =>
  known !== undefined && json.passText(known) ? known : nodeNames.get(json.text());

/** The API's defaults: what is not said of readiness and serving counts as yes. */
function conditionsOf({ ready, serving, terminating }: Json): string {
  const bits =
    (ready === false ? 0 : READY) | (serving === false ? 0 : SERVING) | (terminating === true ? TERMINATING : 0);
  return String.fromCharCode(bits);
}

function hintsOf({ forZones, forNodes }: Json): Hints {
  if (forZones === undefined && forNodes === undefined) return NO_HINTS;
  const names = (hint: unknown) => list(hint).map(({ name }) => text(name));
  return hintsByText.get(JSON.stringify({ zones: names(forZones), nodes: names(forNodes) }));
}
