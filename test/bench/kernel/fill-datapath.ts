// SPDX-License-Identifier: Apache-2.0
// Fills the maps of a datapath with the bench's cluster by the core's own operations, in the order that is safe.
import { MAGLEV_TABLE_SIZES } from "../../../agent/core/maglev.ts";
import type { FrontendEntry, FrontendKey } from "../../../agent/core/operation.ts";
import type { Datapath } from "../../../agent/shell/kernel/datapath.ts";
import {
  addressNumber,
  BACKEND_PORT,
  backendAddress,
  type ClusterShape,
  dotted,
  SERVICE_PORT,
  serviceAddress,
} from "../world/cluster-objects.ts";

const TCP = 6;
/** NodePorts, each with one backend of its own. */
export const NODE_PORTS = 1_000;
/** Cells of a Maglev table: the least that there is. */
export const MAGLEV_CELLS = MAGLEV_TABLE_SIZES[0] ?? 0;
const FIRST_NODE_PORT = 30_000;

export interface FilledShape extends ClusterShape {
  /** The only backend of a NodePort. */
  readonly nodePortBackend: (nodePort: number) => string;
  /** From now on NodePorts have Maglev tables, and are handed over to the nodes of their backends. */
  readonly handOverNodePorts: () => void;
}

/** Every Service is served to the outside too, so that packets find what sockets would. */
export function fillDatapath(datapath: Datapath, shape: ClusterShape): FilledShape {
  const { services, endpoints } = shape;
  const afterAll = addressNumber(backendAddress(shape, services));
  const nodePortBackend = (nodePort: number) => dotted(afterAll + nodePort);
  let selection = 1;
  let backend = 1;
  let cell = 0;
  const lead = (key: FrontendKey, to: number, ids: readonly number[], more: Partial<FrontendEntry> = {}): void => {
    datapath.apply({ kind: "write-extent", offset: cell, backendIds: ids });
    const value = { offset: cell, count: ids.length, generation: 1 };
    datapath.apply({ kind: "flip-selection", id: to, selection: value });
    const both = { selection: to, externalSelection: to, service: to };
    const policies = { noEndpoint: "reject", affinitySeconds: 0, sourceRanges: false, scope: "external" } as const;
    datapath.apply({ kind: "upsert-frontend", key, entry: { ...both, ...policies, ...more } });
    cell += ids.length;
  };
  const serve = (key: FrontendKey, addresses: readonly string[]): void => {
    const ids = addresses.map((address) => {
      datapath.apply({ kind: "write-backend", id: backend, backend: { address, port: BACKEND_PORT, protocol: TCP } });
      return backend++;
    });
    lead(key, selection++, ids);
  };
  const nodePortKey = (nodePort: number): FrontendKey => ({
    address: "*4",
    port: FIRST_NODE_PORT + nodePort,
    protocol: TCP,
  });
  for (let service = 0; service < services; service++) {
    const addresses = Array.from({ length: endpoints }, (_, at) => backendAddress(shape, service, at));
    serve({ address: serviceAddress(service), port: SERVICE_PORT, protocol: TCP }, addresses);
  }
  const [firstSelection, firstBackend] = [selection, backend];
  for (let nodePort = 0; nodePort < NODE_PORTS; nodePort++) serve(nodePortKey(nodePort), [nodePortBackend(nodePort)]);
  const handOverNodePorts = (): void => {
    for (let nodePort = 0; nodePort < NODE_PORTS; nodePort++) {
      const table = new Array<number>(MAGLEV_CELLS).fill(firstBackend + nodePort);
      lead(nodePortKey(nodePort), firstSelection + nodePort, table, { algorithm: "maglev", dsr: true });
    }
  };
  return { ...shape, nodePortBackend, handOverNodePorts };
}
