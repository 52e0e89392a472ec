// SPDX-License-Identifier: Apache-2.0
// The endpoints of one EndpointSlice as columns: there may be hundreds of thousands, so none is an object of its own.

import { parseIp } from "./ip-address.ts";
import { type Json, list, record, text, texts } from "./json.ts";
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

const READY = 1;
const SERVING = 2;
const TERMINATING = 4;
const NO_HINTS: Hints = { zones: [], nodes: [] };

const nodeNames = new TextPool((name) => name);
const hintsByText = new TextPool((json) => JSON.parse(json) as Hints);

export class Endpoints implements Iterable<Endpoint> {
  readonly #addresses: readonly string[];
  readonly #nodeNames: readonly string[];
  /** One character each. */
  readonly #conditions: string;
  /** Undefined when no endpoint has any. */
  readonly #hints: readonly Hints[] | undefined;

  constructor(json: unknown, addressType: string) {
    const endpoints = list(json);
    this.#addresses = endpoints.map((endpoint) => addressOf(endpoint, addressType));
    this.#nodeNames = endpoints.map((endpoint) => nodeNames.get(text(endpoint["nodeName"])));
    this.#conditions = endpoints.map(conditionsOf).join("");
    const hints = endpoints.map(hintsOf);
    this.#hints = hints.every((each) => each === NO_HINTS) ? undefined : hints;
  }

  *[Symbol.iterator](): Iterator<Endpoint> {
    for (let index = 0; index < this.#addresses.length; index++) yield this.#at(index);
  }

  #at(index: number): Endpoint {
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

function addressOf(endpoint: Json, addressType: string): string {
  const address = parseIp(texts(endpoint["addresses"])[0] ?? "");
  return address && addressType === `IPv${address.family}` ? address.text : "";
}

/** The API's defaults: what is not said of readiness and serving counts as yes. */
function conditionsOf(endpoint: Json): string {
  const { ready, serving, terminating } = record(endpoint["conditions"]);
  const bits =
    (ready === false ? 0 : READY) | (serving === false ? 0 : SERVING) | (terminating === true ? TERMINATING : 0);
  return String.fromCharCode(bits);
}

function hintsOf(endpoint: Json): Hints {
  const { forZones, forNodes } = record(endpoint["hints"]);
  if (forZones === undefined && forNodes === undefined) return NO_HINTS;
  const names = (hint: unknown) => list(hint).map(({ name }) => text(name));
  return hintsByText.get(JSON.stringify({ zones: names(forZones), nodes: names(forNodes) }));
}
