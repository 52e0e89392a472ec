// SPDX-License-Identifier: Apache-2.0
// Chooses the devices whose packets the programs see, and goes on with the others while one has no carrier or has gone.

import type { Problem } from "../core/problem.ts";
import { defaultRouteDevice, type Interface, interfaces, PreconditionError } from "./node-facts.ts";

export interface NodeDevicesOptions {
  readonly nodeName: string;
  /** A trailing `+` matches any rest; without any they are found out. */
  readonly asked: readonly string[];
  readonly look?: () => readonly Interface[];
  readonly defaultRoute?: () => string | undefined;
}

export class NodeDevices {
  readonly #options: NodeDevicesOptions;
  /** The last that there were, with their addresses. */
  #known: ReadonlyMap<string, readonly string[]> | undefined;
  #missing: readonly string[] = [];

  constructor(options: NodeDevicesOptions) {
    this.#options = options;
  }

  /** Throws when there has never been any. */
  choose(nodeAddresses: readonly string[]): readonly Interface[] {
    const { asked, look = interfaces, defaultRoute = defaultRouteDevice } = this.#options;
    const present = this.#remembering(look());
    const chosen = chooseDevices(present, asked, nodeAddresses, defaultRoute());
    const known = this.#known;
    if (chosen.length === 0 && !known) throw new PreconditionError(nothingToServe(present, asked, nodeAddresses));
    if (asked.length > 0)
      this.#missing = asked.filter((pattern) => !present.some(({ name }) => matches(name, pattern)));
    else this.#missing = chosen.length === 0 && known ? [...known.keys()] : [];
    if (chosen.length > 0) this.#known = new Map(chosen.map(({ name, addresses }) => [name, addresses]));
    return chosen;
  }

  /** What the last choice had to leave out. */
  problems(): Problem[] {
    if (this.#missing.length === 0) return [];
    const { nodeName } = this.#options;
    const message = `Node ${nodeName}: the programs are not at ${this.#missing.join(", ")}, because the node has no such device now; bring it back, or correct the value devices. Everything else is served.`;
    return [{ service: `node/${nodeName}`, reason: "DeviceMissing", message }];
  }

  /** A device keeps its addresses while it has no carrier, unless another has them by now. */
  #remembering(seen: readonly Interface[]): readonly Interface[] {
    const shown = new Set(seen.flatMap(({ addresses }) => addresses));
    const remembered = (name: string) => (this.#known?.get(name) ?? []).filter((address) => !shown.has(address));
    return seen.map(({ name, addresses }) => ({
      name,
      addresses: addresses.length > 0 ? addresses : remembered(name),
    }));
  }
}

const matches = (name: string, pattern: string): boolean =>
  pattern.endsWith("+") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;

/** Those asked for that there are, otherwise the one that holds the node's address and the one of the default route. */
function chooseDevices(
  present: readonly Interface[],
  asked: readonly string[],
  nodeAddresses: readonly string[],
  defaultRoute: string | undefined,
): Interface[] {
  const isChosen = ({ name, addresses }: Interface): boolean =>
    asked.length > 0
      ? asked.some((pattern) => matches(name, pattern))
      : name !== "lo" && (name === defaultRoute || addresses.some((address) => nodeAddresses.includes(address)));
  return present.filter(isChosen).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function nothingToServe(
  present: readonly Interface[],
  asked: readonly string[],
  nodeAddresses: readonly string[],
): string {
  const names = present.map(({ name }) => name).join(", ");
  return asked.length > 0
    ? `devices: no interface of this node matches ${asked.join(", ")} (it has ${names}); correct the value or leave it out`
    : `no interface holds a node address (${nodeAddresses.join(", ")}) and there is no default route; set the value devices`;
}
