// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHost, type Program } from "./fake-host.ts";

const token = "abcdef.0123456789abcdef";
const certificateKey = "c0".repeat(32);
const worker = {
  HOST_NAME: "worker-1",
  HOST_ADDRESS: "10.89.0.21",
  HOST_ROLE: "worker",
  HOST_FIRST: "no",
  JOIN_SECONDS: 60,
  API_AUTHORITY: "10.89.0.11:6443",
  KUBEADM_JOIN: `kind: JoinConfiguration\ntoken: ${token}\ncertificateKey: ${certificateKey}\n`,
};
const marker = "/var/lib/sansproxy/joined";
const kubeletConf = "/etc/kubernetes/kubelet.conf";
const reads = 'cat "$3" >"$root/seen"; stat -c %a "$3" >"$root/mode"';
const joins: Program = {
  "join --config *": `${reads}; mkdir -p "$root/etc/kubernetes"; : >"$root/etc/kubernetes/kubelet.conf"`,
  "reset --force *": "",
};

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
  host.program("kubeadm", joins);
  host.claim({ name: "worker-1", role: "worker", first: "no" });
});
afterEach(() => host.remove());

const run = (action: "create" | "update" | "delete", changes = {}) =>
  host.run("join", action, { ...worker, ...changes });
const kubeadmCalls = (calls: readonly string[]) =>
  calls.filter((call) => call.startsWith("kubeadm")).map((call) => call.split(" ")[1]);

describe("the step join", () => {
  it("joins once, with a configuration that only root reads and that is gone afterwards", async () => {
    const first = await run("create");
    expect(first.status).toBe(0);
    expect(kubeadmCalls(first.calls)).toEqual(["join"]);
    expect(host.read("/seen")).toBe(worker.KUBEADM_JOIN);
    expect(host.read("/mode")).toBe("600\n");
    expect(host.has("/run/sansproxy/join.yaml")).toBe(false);
    expect(host.has(marker)).toBe(true);

    const second = await run("create");
    expect(second).toMatchObject({ status: 0, stdout: expect.stringContaining("is in the cluster already") });
    expect(kubeadmCalls(second.calls)).toEqual([]);
  });

  it("takes a half-made control plane back, and joins again", async () => {
    host.write(kubeletConf);
    host.write("/etc/kubernetes/pki/ca.crt");
    host.write("/var/lib/etcd/member/snap/db", "half");
    const { status, calls } = await run("create", { HOST_ROLE: "control-plane" });
    expect(status).toBe(0);
    expect(kubeadmCalls(calls)).toEqual(["reset", "join"]);
    expect(host.has("/var/lib/etcd")).toBe(false);
  });

  it("keeps a worker that was interrupted after it had joined", async () => {
    host.write(kubeletConf);
    host.program("kubectl", { "*get node worker-1": "" });
    const { status, calls } = await run("create");
    expect(status).toBe(0);
    expect(kubeadmCalls(calls)).toEqual([]);
    expect(host.has(marker)).toBe(true);
  });

  it("takes back what it made when kubeadm fails, and says why without token, key and digest", async () => {
    const digest = `sha256:${"d1".repeat(32)}`;
    const fails = `: >"$root/var/lib/kubelet.conf"; echo "error: ${token} ${certificateKey} ${digest}: no route"; exit 1`;
    host.program("kubeadm", { ...joins, "join --config *": fails });
    host.program("journalctl", { "*": `echo "E1123 bootstrap ${token} failed"` });
    const { status, stdout, stderr, calls } = await run("create");
    expect(status).toBe(1);
    expect(stderr).toContain("no route");
    expect(stderr).toContain("E1123 bootstrap <token> failed");
    expect(stderr).toMatch(/host worker-1 \(10\.89\.0\.21\): kubeadm join did not succeed .* fresh admission/);
    for (const secret of [token, certificateKey, "d1".repeat(32)]) expect(stdout + stderr).not.toContain(secret);
    expect(kubeadmCalls(calls)).toEqual(["join", "reset"]);
    expect(host.has(marker)).toBe(false);
    expect(host.has("/run/sansproxy/join.yaml")).toBe(false);
  });

  it("refuses an update of a host that is no member any more, and changes nothing there", async () => {
    host.write("/etc/kubernetes/pki/ca.crt");
    const { status, stderr, calls } = await run("update");
    expect(status).toBe(1);
    expect(stderr).toMatch(/left the cluster by another road; run the update with --replace/);
    expect(kubeadmCalls(calls)).toEqual([]);
  });

  it("refuses a clock that differs from the control plane's, before kubeadm is run", async () => {
    host.program("curl", { "*": "printf 'HTTP/2 200\\r\\nDate: Mon, 01 Jan 2035 00:00:00 GMT\\r\\n'" });
    const { status, stderr, calls } = await run("create");
    expect(status).toBe(1);
    expect(stderr).toMatch(/its clock differs by \d+ seconds .*timedatectl/);
    expect(kubeadmCalls(calls)).toEqual([]);
  });
});

describe("leaving", () => {
  it("resets the host: Kubernetes, its data, and what the datapath left", async () => {
    expect((await run("create")).status).toBe(0);
    const left = [
      "/etc/kubernetes/manifests/x.yaml",
      "/var/lib/kubelet/config.yaml",
      "/etc/cni/net.d/05-sansproxy.conflist",
      "/sys/fs/bpf/sansproxy/services",
    ];
    for (const path of left) host.write(path);
    host.write("/etc/cni/net.d/10-other.conflist");
    host.program("ip", {
      "-? route flush proto 157": "",
      "-o link show type veth": "echo '7: sansproxy0@sansproxy1: <UP> mtu 1500'; echo '8: veth1@if2: <UP> mtu 1500'",
      "link delete sansproxy0": "",
    });
    const { status, calls } = await run("delete");
    expect(status).toBe(0);
    expect(kubeadmCalls(calls)).toEqual(["reset"]);
    expect(calls).toEqual(expect.arrayContaining(["systemctl stop kubelet", "ip -4 route flush proto 157"]));
    expect(calls.filter((call) => call.startsWith("ip link delete"))).toEqual(["ip link delete sansproxy0"]);
    for (const path of [...left, kubeletConf, marker]) expect(host.has(path), path).toBe(false);
    expect(host.has("/etc/cni/net.d/10-other.conflist")).toBe(true);
  });

  it("can be repeated, and goes to its end although kubeadm cannot reset", async () => {
    host.write("/var/lib/etcd/member/snap/db");
    host.program("kubeadm", { "reset --force *": "echo no etcd; exit 1" });
    expect((await run("delete")).status).toBe(0);
    expect(host.has("/var/lib/etcd")).toBe(false);
    expect((await run("delete")).status).toBe(0);
  });
});
