// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHost } from "./fake-host.ts";

const facts = {
  CONTROL_PLANE: "10.89.0.11",
  ENDPOINT: "10.89.0.11:6443",
  POD_CIDRS: "10.244.0.0/16",
  SERVICE_CIDRS: "10.96.0.0/16",
  DNS_DOMAIN: "cluster.local",
};
const variables = {
  ...facts,
  MINIMUM_KERNEL: "4.0",
  MINIMUM_MEMORY_MIB: 1,
  MINIMUM_DISK_MIB: 1,
  REQUIRED_PORTS: "",
  PACKAGE_SOURCE: "apt",
  HOST_IPV6: "",
};

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
});
afterEach(() => host.remove());

/** What the preflight finds wrong; other faults of the machine that runs the test are none of ours. */
async function found(changes: Record<string, string> = {}): Promise<string> {
  return (await host.run("preflight", "update", { ...variables, ...changes })).stderr;
}

/** A host that the step `claim` has marked and that kubeadm has made a member. */
async function member(changes: Record<string, string> = {}): Promise<void> {
  expect((await host.run("claim", "create", { ...facts, ...changes })).status).toBe(0);
  host.write("/etc/kubernetes/kubelet.conf");
  host.write(changes["HOST_ROLE"] === "worker" ? "/var/lib/sansproxy/joined" : "/var/lib/sansproxy/initialized");
}

/** Kubernetes' programs as an upgrade leaves them: kubeadm is changed first, and the kubelet last. */
function runs(kubelet: string, kubeadm = kubelet): void {
  host.program("kubelet", { "--version": `echo Kubernetes ${kubelet}` });
  host.program("kubeadm", { "version -o short": `echo ${kubeadm}` });
}

describe("preflight refuses a host", () => {
  it("on which Kubernetes runs that this stack did not make", async () => {
    host.write("/etc/kubernetes/kubelet.conf");
    expect(await found()).toMatch(
      /already belongs to another cluster \(\S+\/etc\/kubernetes\/kubelet\.conf exists .*kubeadm reset -f/,
    );
  });

  it.each(["/etc/rancher/k3s", "/etc/rancher/rke2", "/var/snap/microk8s"])(
    "on which another distribution lives: %s",
    async (folder) => {
      host.write(`${folder}/file`);
      expect(await found()).toContain("already belongs to another cluster");
    },
  );

  it("that another stack has claimed", async () => {
    host.claim({ cluster: "project/other/metal" });
    expect(await found()).toMatch(
      /belongs to the cluster project\/other\/metal, not to project\/stack\/metal; remove it from that cluster first/,
    );
  });

  it("that was claimed under another name", async () => {
    await member();
    expect(await found({ HOST_NAME: "cp-2" })).toMatch(/under the name cp-1; keep that name/);
  });

  it("that was claimed in another role", async () => {
    await member();
    expect(await found({ HOST_ROLE: "worker" })).toMatch(
      /as control-plane and cannot become worker in place; remove it/,
    );
  });

  it("that is no longer the first control plane", async () => {
    await member();
    expect(await found({ HOST_FIRST: "no" })).toMatch(/first control plane of a cluster cannot change; keep the same/);
  });

  it.each([
    [
      "goes back",
      "v1.36.3",
      "v1.36.3",
      "v1.36.2",
      /takes no cluster back to v1\.36\.2; set kubernetesVersion to v1\.36\.3/,
    ],
    ["goes back by a minor version", "v1.36.0", "v1.36.0", "v1.35.9", /takes no cluster back to v1\.35\.9/],
    [
      "skips a minor version",
      "v1.34.9",
      "v1.34.9",
      "v1.36.3",
      /would skip a minor version; set .* to a version of 1\.35 first/,
    ],
    [
      "leaves a begun upgrade",
      "v1.36.2",
      "v1.36.4",
      "v1.36.3",
      /upgrade from Kubernetes v1\.36\.2 to v1\.36\.4 was begun .*; set kubernetesVersion to v1\.36\.4/,
    ],
  ])("of which a version is asked that %s", async (_what, kubelet, kubeadm, asked, sentence) => {
    await member();
    runs(kubelet, kubeadm);
    expect(await found({ KUBERNETES_VERSION: asked })).toMatch(sentence);
  });

  const fixed: [input: string, variable: keyof typeof facts, asked: string][] = [
    ["podCidrs", "POD_CIDRS", "10.245.0.0/16"],
    ["serviceCidrs", "SERVICE_CIDRS", "10.97.0.0/16"],
    ["dnsDomain", "DNS_DOMAIN", "example.local"],
    ["controlPlaneEndpoint", "ENDPOINT", "api.example:6443"],
    ["the first control plane's address", "CONTROL_PLANE", "10.89.0.12"],
  ];

  it.each(fixed)("of a live cluster for which another %s is asked", async (input, variable, asked) => {
    await member();
    const text = await found({ [variable]: asked });
    expect(text).toContain(`${input} was ${facts[variable]} when the cluster was made`);
    expect(text).toMatch(new RegExp(`cannot become ${asked.replaceAll(".", "\\.")}.*; set it back, or destroy`));
    expect(text.match(/when the cluster was made/g)).toHaveLength(1);
  });

  it.each(fixed)("also a worker of it: %s", async (input, variable, asked) => {
    const worker = { HOST_NAME: "worker-1", HOST_ROLE: "worker", HOST_FIRST: "no", HOST_ADDRESS: "10.89.0.21" };
    await member(worker);
    expect(await found({ ...worker, [variable]: asked })).toContain(`${input} was ${facts[variable]}`);
    expect(await found(worker)).not.toContain("when the cluster was made");
  });
});

describe("preflight", () => {
  it("finds nothing to refuse in a member for which nothing changed", async () => {
    await member();
    expect(await found()).not.toMatch(/cluster|name|role|Kubernetes/);
  });

  it.each([
    ["the next patch version", "v1.36.2", "v1.36.2", "v1.36.3"],
    ["a later patch version", "v1.36.9", "v1.36.9", "v1.36.10"],
    ["the next minor version", "v1.35.7", "v1.35.7", "v1.36.0"],
    ["the version of an upgrade that was interrupted", "v1.36.2", "v1.36.3", "v1.36.3"],
  ])("lets a member go to %s", async (_what, kubelet, kubeadm, asked) => {
    await member();
    runs(kubelet, kubeadm);
    expect(await found({ KUBERNETES_VERSION: asked })).not.toContain("kubernetesVersion");
  });

  it("lets the version be any as long as no cluster was made", async () => {
    expect((await host.run("claim", "create", facts)).status).toBe(0);
    runs("v1.36.3");
    expect(await found({ KUBERNETES_VERSION: "v1.34.1" })).not.toContain("kubernetesVersion");
  });

  it("lets the networks change as long as no cluster was made", async () => {
    expect((await host.run("claim", "create", facts)).status).toBe(0);
    expect(await found({ POD_CIDRS: "10.245.0.0/16" })).not.toContain("when the cluster was made");
  });

  it("lets the networks change where init was interrupted and will be taken back", async () => {
    expect((await host.run("claim", "create", facts)).status).toBe(0);
    host.write("/etc/kubernetes/kubelet.conf");
    host.write("/etc/sansproxy/claim", `${host.read("/etc/sansproxy/claim")}init=begun\n`);
    expect(await found({ POD_CIDRS: "10.245.0.0/16" })).not.toContain("when the cluster was made");
  });

  it("accepts a member whose claim is older than a fact, which is then noted", async () => {
    host.claim({ init: "finished" });
    host.write("/etc/kubernetes/kubelet.conf");
    expect(await found()).not.toContain("when the cluster was made");
    expect((await host.run("claim", "update", facts)).status).toBe(0);
    expect(host.read("/etc/sansproxy/claim")).toMatch(/^pods=10\.244\.0\.0\/16$[\s\S]*^init=finished$/m);
  });

  it("names the package for the own kernel of Debian 12, which is too old", async () => {
    host.program("uname", { "-r": "echo 6.1.0-40-amd64" });
    const text = await found({ MINIMUM_KERNEL: "6.6" });
    expect(text).toMatch(
      /kernel 6\.1\.0-40-amd64 is older than 6\.6.*install linux-image-amd64 from bookworm-backports .*and reboot/,
    );
  });

  it("names backports and the hwe kernel elsewhere", async () => {
    host.program("uname", { "-r": "echo 6.1.0-40-amd64" });
    host.write("/etc/os-release", 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\n');
    expect(await found({ MINIMUM_KERNEL: "6.6" })).toMatch(/Debian: linux-image-amd64 from backports; Ubuntu: the hwe/);
  });
});

describe("the step claim", () => {
  it("refuses a host that another cluster has claimed since, and leaves its claim", async () => {
    host.claim({ cluster: "project/other/metal" });
    const before = host.read("/etc/sansproxy/claim");
    const { status, stderr } = await host.run("claim", "create", facts);
    expect(status).toBe(1);
    expect(stderr).toMatch(/belongs to the cluster project\/other\/metal, not to project\/stack\/metal/);
    expect(host.read("/etc/sansproxy/claim")).toBe(before);
  });

  it("is undone for this cluster only", async () => {
    host.claim({ cluster: "project/other/metal" });
    expect((await host.run("claim", "delete", facts)).status).toBe(0);
    expect(host.has("/etc/sansproxy/claim")).toBe(true);
    host.claim();
    expect((await host.run("claim", "delete", facts)).status).toBe(0);
    expect(host.has("/etc/sansproxy/claim")).toBe(false);
  });
});
