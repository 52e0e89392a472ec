// SPDX-License-Identifier: Apache-2.0
// What the clouds' resources answer in a recorded program; a resource that is not named here is refused.

const arn = (service: string, kind: string, name: string) =>
  `arn:aws:${service}:eu-central-1:111122223333:${kind}/${name}`;

/** Outputs by type of resource. */
export const cloudOutputs: Readonly<Record<string, (name: string) => Record<string, unknown>>> = {
  "eks:index:Cluster": () => ({
    core: { endpoint: "https://0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com" },
    kubeconfigJson: JSON.stringify({
      ...{ apiVersion: "v1", kind: "Config" },
      clusters: [{ name: "eks", cluster: { "certificate-authority-data": "QSBDQSdzIGNlcnRpZmljYXRl" } }],
      users: [{ user: { token: "THE-EKS-TOKEN" } }],
    }),
    oidcProviderArn: "",
    oidcIssuer: "",
  }),
  "aws:iam/role:Role": (name) => ({ arn: arn("iam", "role", name), name }),
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": () => ({}),
  "aws:iam/rolePolicy:RolePolicy": () => ({}),
  "aws:eks/addon:Addon": () => ({}),
  "aws:eks/podIdentityAssociation:PodIdentityAssociation": () => ({}),
  "aws:eks/nodeGroup:NodeGroup": () => ({ version: "1.35" }),
  "aws:ec2/vpc:Vpc": (name) => ({ arn: arn("ec2", "vpc", name) }),
  "aws:ec2/subnet:Subnet": () => ({}),
  "aws:ec2/internetGateway:InternetGateway": () => ({}),
  "aws:ec2/eip:Eip": () => ({}),
  "aws:ec2/natGateway:NatGateway": () => ({}),
  "aws:ec2/routeTable:RouteTable": () => ({}),
  "aws:ec2/routeTableAssociation:RouteTableAssociation": () => ({}),
  "gcp:compute/network:Network": () => ({}),
  "gcp:compute/subnetwork:Subnetwork": () => ({}),
  "gcp:compute/router:Router": () => ({}),
  "gcp:compute/routerNat:RouterNat": () => ({}),
  "gcp:container/cluster:Cluster": () => ({
    endpoint: "34.89.1.2",
    masterAuth: { clusterCaCertificate: "THE-CA" },
    privateClusterConfig: { enablePrivateNodes: true, enablePrivateEndpoint: false, privateEndpoint: "172.16.0.2" },
  }),
  "gcp:container/nodePool:NodePool": () => ({ version: "1.35.2-gke.100" }),
  "kubernetes:apps/v1:DaemonSet": () => ({}),
};

/** Answers of the clouds' functions. */
export const cloudCalls: Readonly<Record<string, Record<string, unknown>>> = {
  "aws:index/getRegion:getRegion": { region: "eu-central-1" },
  "aws:index/getAvailabilityZones:getAvailabilityZones": {
    names: ["eu-central-1a", "eu-central-1b", "eu-central-1c"],
  },
};
