// SPDX-License-Identifier: Apache-2.0
// Random EndpointSlices of one Service: Pods and host networks of three nodes, in every condition, with and without hints.
import fc from "fast-check";
import {
  type EndpointObject,
  type EndpointSliceObject,
  HEADLESS,
  PROXY_NAME,
  SERVICE_NAME,
  type ServiceObject,
} from "./objects.ts";
import { CLIENT_POD, LOCAL_PODS, PLACES, podAddress, SANDBOX_POD } from "./topology.ts";

const MOST_ENDPOINTS = 6;

const weighted = <T>(...choices: readonly (readonly [weight: number, value: T])[]): fc.Arbitrary<T> =>
  fc.oneof(...choices.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));

/** As the EndpointSlice controller writes them; the first leaves all to the API's defaults. */
const CONDITIONS = {
  unsaid: {},
  ready: { ready: true, serving: true, terminating: false },
  starting: { ready: false, serving: false, terminating: false },
  draining: { ready: false, serving: true, terminating: true },
  dying: { ready: false, serving: false, terminating: true },
} as const;

/** With publishNotReadyAddresses every endpoint is ready, also one that terminates. */
const PUBLISHED = {
  starting: { ready: true, serving: false, terminating: false },
  draining: { ready: true, serving: true, terminating: true },
  dying: { ready: true, serving: false, terminating: true },
} as const;

interface Choice {
  readonly place: number;
  /** Of a Pod; undefined for the node's own network. */
  readonly host: number | undefined;
  readonly condition: keyof typeof CONDITIONS;
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
  /** In which of two slices; an endpoint may be in both while it moves. */
  readonly slices: readonly number[];
}

const HOSTS = [CLIENT_POD, SANDBOX_POD, ...LOCAL_PODS];

/** How a Service's ready endpoints are hinted as a whole: hints count only when all have them. */
type Hinting = "none" | "zones" | "nodes" | "partial";

const endpointChoice = (hinting: Hinting): fc.Arbitrary<Choice> => {
  const zones = fc.constantFrom(["zone-a"], ["zone-b"], ["zone-a", "zone-b"]);
  const nodes = fc.constantFrom(["node-1"], ["node-2"], ["node-3"], ["node-1", "node-2"]);
  const none = fc.constant<readonly string[]>([]);
  const partly = (some: fc.Arbitrary<readonly string[]>) => fc.oneof(some, some, some, none);
  return fc.record<Choice>({
    place: fc.constantFrom(0, 0, 1, 2),
    host: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...HOSTS) },
      { weight: 1, arbitrary: fc.constant(undefined) },
    ),
    condition: weighted<Choice["condition"]>(
      [1, "unsaid"],
      [5, "ready"],
      [2, "starting"],
      [4, "draining"],
      [1, "dying"],
    ),
    zones: hinting === "none" ? none : hinting === "partial" ? partly(zones) : zones,
    nodes: hinting === "nodes" ? nodes : hinting === "partial" ? partly(nodes) : none,
    slices: weighted<readonly number[]>([4, [0]], [3, [1]], [1, [0, 1]]),
  });
};

function makeEndpoint(choice: Choice, family: 4 | 6, published: boolean): EndpointObject {
  const place = PLACES[choice.place] ?? PLACES[0];
  const address =
    choice.host === undefined ? place.addresses[family === 4 ? 0 : 1] : podAddress(place, choice.host, family);
  const { condition, zones, nodes } = choice;
  const isPublished = published && condition !== "unsaid" && condition !== "ready";
  const hints = {
    ...(zones.length > 0 ? { forZones: zones.map((name) => ({ name })) } : {}),
    ...(nodes.length > 0 ? { forNodes: nodes.map((name) => ({ name })) } : {}),
  };
  return {
    addresses: [address],
    nodeName: place.name,
    zone: place.zone,
    conditions: isPublished ? PUBLISHED[condition] : CONDITIONS[condition],
    ...(Object.keys(hints).length > 0 ? { hints } : {}),
  };
}

interface SliceChoice {
  /** Ports may have another number in each slice, and each slice may lack one. */
  readonly offset: number;
  readonly lacks: boolean;
  readonly label: "own" | "headless" | "other proxy";
}

const sliceChoice = fc.record<SliceChoice>({
  offset: fc.constantFrom(0, 0, 1000),
  lacks: weighted([1, true], [9, false]),
  label: weighted<SliceChoice["label"]>([18, "own"], [1, "headless"], [1, "other proxy"]),
});

function makeSlice(
  service: ServiceObject,
  family: 4 | 6,
  number: number,
  { offset, lacks, label }: SliceChoice,
  endpoints: readonly EndpointObject[],
): EndpointSliceObject {
  const name = `${service.metadata.name}-${family}-${number}`;
  const mark = { own: {}, headless: { [HEADLESS]: "" }, "other proxy": { [PROXY_NAME]: "another" } }[label];
  const ports = lacks ? service.spec.ports.slice(1) : service.spec.ports;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name,
      namespace: service.metadata.namespace ?? "",
      uid: `uid-${name}`,
      creationTimestamp: "2026-01-01T00:00:00Z",
      labels: { [SERVICE_NAME]: service.metadata.name, ...mark },
    },
    addressType: `IPv${family}`,
    ports: ports.map((port, at) => ({ name: port.name ?? "", protocol: port.protocol, port: 8080 + at + offset })),
    endpoints,
  };
}

export const arbitrarySlices = (
  service: ServiceObject,
  families: readonly ("IPv4" | "IPv6")[],
  published: boolean,
): fc.Arbitrary<EndpointSliceObject[]> =>
  weighted<Hinting>([3, "none"], [2, "zones"], [2, "nodes"], [1, "partial"])
    .chain((hinting) =>
      fc.tuple(
        fc.uniqueArray(endpointChoice(hinting), {
          selector: ({ place, host }) => `${place}/${host}`,
          maxLength: MOST_ENDPOINTS,
        }),
        fc.tuple(sliceChoice, sliceChoice),
      ),
    )
    .map(([endpoints, slices]) =>
      families.flatMap((name) => {
        const family = name === "IPv4" ? 4 : 6;
        return slices.map((slice, number) => {
          const inside = endpoints.filter((endpoint) => endpoint.slices.includes(number));
          return makeSlice(
            service,
            family,
            number,
            slice,
            inside.map((each) => makeEndpoint(each, family, published)),
          );
        });
      }),
    );
