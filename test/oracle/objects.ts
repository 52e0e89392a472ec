// SPDX-License-Identifier: Apache-2.0
// The API's JSON, as far as the oracle makes and reads it.

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly creationTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ServicePortObject {
  readonly name?: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
  readonly targetPort: number;
  readonly nodePort?: number;
}

export interface ServiceObject {
  readonly apiVersion: "v1";
  readonly kind: "Service";
  readonly metadata: Metadata;
  readonly spec: {
    readonly type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    readonly ipFamilies?: readonly ("IPv4" | "IPv6")[];
    readonly ipFamilyPolicy?: "SingleStack" | "RequireDualStack";
    readonly externalName?: string;
    readonly ports: readonly ServicePortObject[];
    readonly externalIPs?: readonly string[];
    readonly internalTrafficPolicy?: "Cluster" | "Local";
    readonly externalTrafficPolicy?: "Cluster" | "Local";
    readonly trafficDistribution?: string;
    readonly healthCheckNodePort?: number;
    readonly loadBalancerSourceRanges?: readonly string[];
    readonly sessionAffinity?: "None" | "ClientIP";
    readonly sessionAffinityConfig?: { readonly clientIP: { readonly timeoutSeconds: number } };
    readonly publishNotReadyAddresses?: boolean;
  };
  readonly status: {
    readonly loadBalancer: { readonly ingress?: readonly { readonly ip: string; readonly ipMode?: "VIP" | "Proxy" }[] };
  };
}

export interface EndpointObject {
  readonly addresses: readonly string[];
  readonly nodeName: string;
  readonly zone?: string;
  readonly conditions: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
  readonly hints?: {
    readonly forZones?: readonly { readonly name: string }[];
    readonly forNodes?: readonly { readonly name: string }[];
  };
}

export interface EndpointSliceObject {
  readonly apiVersion: "discovery.k8s.io/v1";
  readonly kind: "EndpointSlice";
  readonly metadata: Metadata;
  readonly addressType: "IPv4" | "IPv6";
  readonly ports: readonly Required<Pick<ServicePortObject, "name" | "protocol" | "port">>[];
  readonly endpoints: readonly EndpointObject[];
}

export interface NodeObject {
  readonly apiVersion: "v1";
  readonly kind: "Node";
  readonly metadata: Metadata;
  readonly spec: { readonly podCIDR: string; readonly podCIDRs: readonly string[] };
  readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[] };
}

/** All objects but the Nodes, which never change, and what the proxies are configured with. */
export interface Cluster {
  readonly services: readonly ServiceObject[];
  readonly endpointSlices: readonly EndpointSliceObject[];
  /**
   * Networks in which a node's address has to lie for NodePorts to be served there; empty: at every address.
   * @default []
   */
  readonly nodePortAddresses?: readonly string[];
}

export const SERVICE_NAME = "kubernetes.io/service-name";
export const PROXY_NAME = "service.kubernetes.io/service-proxy-name";
export const HEADLESS = "service.kubernetes.io/headless";
