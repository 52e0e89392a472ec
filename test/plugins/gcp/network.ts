// SPDX-License-Identifier: Apache-2.0
// Simulates Google's networks: networks, subnetworks with their secondary ranges, routers, NAT, and what Services leave in them.
import { type Kind, type Reference, text } from "../clouds/kind.ts";
import { overlap, parseRange } from "../clouds/ranges.ts";
import type { CheckFailure } from "../provider.ts";
import { type Dict, isDict, Unknown } from "../values.ts";

export const tokens = {
  network: "gcp:compute/network:Network",
  subnetwork: "gcp:compute/subnetwork:Subnetwork",
  router: "gcp:compute/router:Router",
  nat: "gcp:compute/routerNat:RouterNat",
  firewall: "gcp:compute/firewall:Firewall",
  forwardingRule: "gcp:compute/forwardingRule:ForwardingRule",
} as const;

export const projectOf = (inputs: Dict, settings: Readonly<Record<string, string>>): string => {
  const project = text(inputs["project"]) || settings["project"] || "";
  if (project === "") throw new Error("project: required field is not set: pulumi config set gcp:project PROJECT");
  return project;
};

export const refer = (type: string, holds = true): Reference => ({
  type,
  by: ["id", "name", "selfLink"],
  missing: "googleapi: Error 404: The resource was not found, notFound",
  holds,
});

const held =
  "googleapi: Error 400: The resource is already being used by another resource, resourceInUseByAnotherResource";

/** What Google calls names. */
export const nameRule = (inputs: Dict): CheckFailure[] => {
  const name = inputs["name"];
  if (typeof name !== "string" || /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return [];
  return [
    { property: "name", reason: `"${name}" has to match ^[a-z]([-a-z0-9]*[a-z0-9])?$, with at most 63 characters` },
  ];
};

const kind = (token: string, path: (inputs: Dict) => string, more: Partial<Kind> & { readonly late?: Dict }): Kind => ({
  autoName: "name",
  immutable: ["name", "project"],
  computed: ["project", "selfLink", ...Object.keys(more.late ?? {})],
  held,
  token,
  ...more,
  check: (inputs) => [...nameRule(inputs), ...(more.check?.(inputs) ?? [])],
  async create(inputs, { account, clock, settings, subject }) {
    const project = projectOf(inputs, settings);
    const id = `projects/${project}/${path(inputs)}`;
    if (account.get(token, id) !== undefined)
      throw new Error(`googleapi: Error 409: The resource '${id}' already exists, alreadyExists`);
    await clock.pass(0.3, subject.signal);
    return { id, outputs: { ...more.late, project, selfLink: `https://www.googleapis.com/compute/v1/${id}` } };
  },
});

const regional =
  (folder: string) =>
  (inputs: Dict): string =>
    `regions/${text(inputs["region"])}/${folder}/${text(inputs["name"])}`;

/** A subnetwork's own range and its secondary ones, by name. */
export const rangesOf = (inputs: Dict): ReadonlyMap<string, string> => {
  const secondary = Array.isArray(inputs["secondaryIpRanges"]) ? inputs["secondaryIpRanges"] : [];
  const named = secondary
    .filter(isDict)
    .map((range): [string, string] => [text(range["rangeName"]), text(range["ipCidrRange"])]);
  return new Map([["", text(inputs["ipCidrRange"])], ...named]);
};

const subnetworkRules = (inputs: Dict): CheckFailure[] => {
  if (inputs["ipCidrRange"] instanceof Unknown) return [];
  const ranges = [...rangesOf(inputs)];
  const wrong = ranges.find(([, range]) => range !== "" && parseRange(range) === undefined);
  if (wrong !== undefined)
    return [{ property: "ipCidrRange", reason: `"${wrong[1]}" is not an IPv4 range such as 10.0.0.0/20` }];
  for (const [index, [name, range]] of ranges.entries()) {
    const other = ranges.slice(0, index).find(([, its]) => overlap(its, range));
    if (other === undefined) continue;
    return [{ property: "secondaryIpRanges", reason: `the range ${name} (${range}) overlaps ${other[1]}` }];
  }
  return [];
};

const made = async (): Promise<never> => {
  throw new Error("this is made by a Service of type LoadBalancer here, and not by a program");
};

export const networkKinds: readonly Kind[] = [
  kind(tokens.network, (inputs) => `global/networks/${text(inputs["name"])}`, {
    immutable: ["name", "project", "autoCreateSubnetworks", "description"],
    late: { gatewayIpv4: "", numericId: "1" },
  }),
  kind(tokens.subnetwork, regional("subnetworks"), {
    immutable: ["name", "project", "network", "region", "purpose"],
    references: { network: refer(tokens.network) },
    check: subnetworkRules,
    late: { creationTimestamp: "2026-01-01T00:00:00Z", fingerprint: "simulated", gatewayAddress: "" },
  }),
  kind(tokens.router, regional("routers"), {
    immutable: ["name", "project", "network", "region"],
    references: { network: refer(tokens.network) },
    late: { creationTimestamp: "2026-01-01T00:00:00Z" },
  }),
  kind(
    tokens.nat,
    (inputs) => `${regional("routers")({ ...inputs, name: inputs["router"] ?? "" })}/${text(inputs["name"])}`,
    {
      immutable: ["name", "project", "router", "region"],
      computed: ["project"],
      references: { router: refer(tokens.router) },
      check({ sourceSubnetworkIpRangesToNat: given }) {
        const values = [
          "ALL_SUBNETWORKS_ALL_IP_RANGES",
          "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES",
          "LIST_OF_SUBNETWORKS",
        ];
        if (given === undefined || given instanceof Unknown || values.includes(text(given))) return [];
        return [
          { property: "sourceSubnetworkIpRangesToNat", reason: `"${text(given)}" is not one of ${values.join(", ")}` },
        ];
      },
    },
  ),
  { token: tokens.firewall, immutable: [], computed: [], references: { network: refer(tokens.network) }, create: made },
  { token: tokens.forwardingRule, immutable: [], computed: [], create: made },
];
