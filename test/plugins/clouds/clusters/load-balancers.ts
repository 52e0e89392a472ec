// SPDX-License-Identifier: Apache-2.0
// The simulated cloud controller: Services of type LoadBalancer become load balancers of the account, with all they bring along.
import { createHash } from "node:crypto";
import type { Dict } from "../../values.ts";
import type { Account, Stored } from "../account.ts";
import type { ApiClient } from "./api-client.ts";
import type { Surrounded } from "./cluster.ts";

const finalizer = "service.kubernetes.io/load-balancer-cleanup";
const merge = "application/merge-patch+json";

interface Service {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly finalizers?: readonly string[];
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly type: string; readonly loadBalancerClass?: string };
  readonly status: { readonly loadBalancer?: { readonly ingress?: readonly unknown[] } };
}

/** What a Service's load balancer is made of in the account; all of it blocks the deletion of the network. */
const partsOf = (surroundings: Surrounded, uid: string, name: string): Stored[] => {
  const { cloud, cluster, networkId, subnetIds, region } = surroundings;
  const id = `a${createHash("sha256").update(uid).digest("hex").slice(0, 31)}`;
  const part = (type: string, partId: string, inputs: Dict): Stored => ({
    type,
    id: partId,
    name,
    inputs,
    outputs: { ...inputs, cluster },
  });
  if (cloud === "gcp") {
    return [
      part("gcp:compute/forwardingRule:ForwardingRule", id, { name: id, region }),
      part("gcp:compute/firewall:Firewall", `k8s-fw-${id}`, { name: `k8s-fw-${id}`, network: networkId }),
    ];
  }
  const group = `sg-${id.slice(1, 18)}`;
  return [
    part("aws:elb/loadBalancer:LoadBalancer", id, { name: id, subnets: [...subnetIds], securityGroups: [group] }),
    part("aws:ec2/securityGroup:SecurityGroup", group, { name: `k8s-elb-${id}`, vpcId: networkId }),
    ...subnetIds.map((subnetId, index) =>
      part("aws:ec2/networkInterface:NetworkInterface", `eni-${index}${id.slice(1, 17)}`, {
        subnetId,
        securityGroups: [group],
        description: `ELB ${id}`,
      }),
    ),
  ];
};

const isLoadBalancer = ({ spec }: Service): boolean =>
  spec.type === "LoadBalancer" && spec.loadBalancerClass === undefined;

const make = async (account: Account, surroundings: Surrounded, client: ApiClient, service: Service): Promise<void> => {
  const { namespace, name, uid, finalizers = [] } = service.metadata;
  const path = `/api/v1/namespaces/${namespace}/services/${name}`;
  await client.require([200], "PATCH", path, { metadata: { finalizers: [...finalizers, finalizer] } }, merge);
  for (const part of partsOf(surroundings, uid, `${namespace}/${name}`)) account.put(part);
  const address = surroundings.cloud === "aws" ? { hostname: `${uid}.elb.simulated.invalid` } : { ip: "203.0.113.20" };
  const status = { loadBalancer: { ingress: [address] } };
  await client.require([200, 404], "PATCH", `${path}/status`, { status }, merge);
  account.note("create", "LoadBalancer", `${namespace}/${name}`, "done");
};

const release = async (account: Account, surroundings: Surrounded, client: ApiClient, service: Service) => {
  const { namespace, name, uid, finalizers = [] } = service.metadata;
  for (const { type, id } of partsOf(surroundings, uid, name)) account.remove(type, id);
  account.note("delete", "LoadBalancer", `${namespace}/${name}`, "done");
  const rest = finalizers.filter((one) => one !== finalizer);
  const path = `/api/v1/namespaces/${namespace}/services/${name}`;
  await client.require([200, 404], "PATCH", path, { metadata: { finalizers: rest } }, merge);
};

/** One round: makes what Services ask for, and takes away what they no longer do. */
export const tendLoadBalancers = async (
  account: Account,
  surroundings: Surrounded,
  client: ApiClient,
): Promise<void> => {
  const { body } = await client.require([200], "GET", "/api/v1/services");
  for (const service of body.items as Service[]) {
    const ours = service.metadata.finalizers?.includes(finalizer) ?? false;
    const going = service.metadata.deletionTimestamp !== undefined || !isLoadBalancer(service);
    if (ours && going) await release(account, surroundings, client, service);
    else if (!ours && !going) await make(account, surroundings, client, service);
  }
};
