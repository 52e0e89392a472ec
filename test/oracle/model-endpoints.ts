// SPDX-License-Identifier: Apache-2.0
// Which endpoints of a Service port new connections may be given, in the documentation's words.
import {
  type Cluster,
  type EndpointObject,
  HEADLESS,
  SERVICE_NAME,
  type ServiceObject,
  type ServicePortObject,
} from "./objects.ts";
import { endpointText } from "./probe.ts";
import { HERE } from "./topology.ts";
import type { Family } from "./wire/socket.ts";

/** Sorted `address:port`. */
export interface UsableEndpoints {
  readonly cluster: readonly string[];
  readonly local: readonly string[];
  /** Whether any endpoint of the whole cluster is usable. */
  readonly any: boolean;
}

interface Target {
  readonly endpoint: EndpointObject;
  readonly text: string;
}

export function usableEndpoints(
  cluster: Cluster,
  service: ServiceObject,
  port: ServicePortObject,
  family: Family,
): UsableEndpoints {
  const all = targets(cluster, service, port, family);
  const here = all.filter(({ endpoint }) => endpoint.nodeName === HERE.name);
  return {
    cluster: texts(near(usable(all))),
    local: texts(usable(here)),
    any: usable(all).length > 0,
  };
}

/** The Service's slices of this family that carry the port by its name; the number is the slice's own. */
function targets(
  { endpointSlices }: Cluster,
  service: ServiceObject,
  port: ServicePortObject,
  family: Family,
): Target[] {
  const slices = endpointSlices.filter(
    ({ metadata: { labels = {}, namespace }, addressType }) =>
      labels[SERVICE_NAME] === service.metadata.name &&
      namespace === service.metadata.namespace &&
      addressType === `IPv${family}` &&
      !(HEADLESS in labels),
  );
  return slices.flatMap(({ ports, endpoints }) =>
    ports
      .filter(({ name, protocol }) => name === (port.name ?? "") && protocol === port.protocol)
      .flatMap((each) =>
        endpoints.map((endpoint) => ({ endpoint, text: endpointText(endpoint.addresses[0] ?? "", each.port) })),
      ),
  );
}

/** What is not said of readiness and serving counts as yes. */
const isReady = ({ endpoint }: Target): boolean => endpoint.conditions.ready !== false;
const isDraining = ({ endpoint: { conditions } }: Target): boolean =>
  conditions.serving !== false && conditions.terminating === true;

/** Ready ones; only where there is none, those that terminate and still serve. */
function usable(all: readonly Target[]): Target[] {
  const ready = all.filter(isReady);
  return ready.length > 0 ? ready : all.filter(isDraining);
}

/**
 * Hints count when every endpoint has them and one is for us, else they are ignored; a node's before a zone's. They are
 * for ready endpoints: where none is, all that drain are near enough.
 */
function near(chosen: readonly Target[]): readonly Target[] {
  if (!chosen.every(isReady)) return chosen;
  for (const [hints, wanted] of [
    ["forNodes", HERE.name],
    ["forZones", HERE.zone],
  ] as const) {
    const namesOf = ({ endpoint }: Target) => (endpoint.hints?.[hints] ?? []).map(({ name }) => name);
    const forUs = chosen.filter((target) => namesOf(target).includes(wanted));
    if (forUs.length > 0 && chosen.every((target) => namesOf(target).length > 0)) return forUs;
  }
  return chosen;
}

const texts = (all: readonly Target[]): string[] => [...new Set(all.map(({ text }) => text))].sort();
