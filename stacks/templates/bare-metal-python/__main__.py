"""A Kubernetes cluster that never runs kube-proxy, its datapath, and the proof that Services answer on every node."""

import pulumi
import pulumi_sansproxy as sansproxy

from hosts import hosts

config = pulumi.Config()

metal = sansproxy.BareMetalCluster(
    "metal",
    hosts=hosts,
    private_key=config.require_secret("sshKey"),
    kubernetes_version=config.get("kubernetesVersion") or "v1.36.3",
)
datapath = sansproxy.Datapath(
    "datapath",
    cluster=metal.cluster,
    engine=config.get("engine") or "agent",
    # What lives inside the cluster goes with it.
    opts=pulumi.ResourceOptions(deleted_with=metal),
)
verification = sansproxy.Verification(
    "verification",
    cluster=metal.cluster,
    effective_values=datapath.effective_values,
    opts=pulumi.ResourceOptions(depends_on=[datapath]),
)

pulumi.export("kubeconfig", pulumi.Output.secret(metal.kubeconfig))
pulumi.export("nodes", metal.nodes)
pulumi.export("effectiveValues", datapath.effective_values)
pulumi.export("verified", verification.table)
