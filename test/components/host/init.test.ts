// SPDX-License-Identifier: Apache-2.0
import { rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHost, type Program } from "./fake-host.ts";

const variables = { INIT_SECONDS: 60, KUBEADM_INIT: "kind: InitConfiguration\n" };
const token = "abcdef.0123456789abcdef";
const marker = "/var/lib/sansproxy/initialized";
const adminConf = "/etc/kubernetes/admin.conf";
const data = "/var/lib/etcd/member/snap/db";

const makesCluster = `mkdir -p "$root/etc/kubernetes/pki" "$root${data.slice(0, -3)}"
    : >"$root/etc/kubernetes/admin.conf"
    : >"$root${data}"`;
const kubeadm: Program = { "init --config *": makesCluster, "reset --force *": "" };
const kubectl: Program = {
  "*get --raw /readyz": "",
  "*delete secrets --field-selector type=bootstrap.kubernetes.io/token *": "",
  "*get daemonset,configmap kube-proxy *": "",
};

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
  host.program("kubeadm", kubeadm);
  host.program("kubectl", kubectl);
  host.claim();
});
afterEach(() => host.remove());

const run = (action: "create" | "update" | "delete") => host.run("init", action, variables);
const kubeadmCalls = (calls: readonly string[]) =>
  calls.filter((call) => call.startsWith("kubeadm")).map((call) => call.split(" ")[1]);

/** A cluster with data in it, as a finished init leaves it. */
async function finished(): Promise<void> {
  expect((await run("create")).status).toBe(0);
  host.write(data, "the cluster's data");
}

describe("the step init", () => {
  it("makes the control plane once, deletes kubeadm's own token, and does nothing the second time", async () => {
    const first = await run("create");
    expect(first).toMatchObject({ status: 0, stdout: expect.stringContaining("is the control plane") });
    expect(kubeadmCalls(first.calls)).toEqual(["init"]);
    expect(first.calls.join("\n")).toContain("delete secrets --field-selector type=bootstrap.kubernetes.io/token");
    expect(host.read("/etc/sansproxy/kubeadm/init.yaml")).toBe(variables.KUBEADM_INIT);

    const second = await run("create");
    expect(second).toMatchObject({ status: 0, stdout: expect.stringContaining("already is the control plane") });
    expect(kubeadmCalls(second.calls)).toEqual([]);
  });

  it("takes a half-made control plane back, and makes it again", async () => {
    const script = `"$(awk '/^PPid:/ {print $2}' "/proc/$PPID/status")"`;
    host.program("kubeadm", { ...kubeadm, "init --config *": `${makesCluster}\n    kill -KILL ${script}` });
    expect(kubeadmCalls((await run("create")).calls)).toEqual(["init"]);
    host.write("/etc/kubernetes/manifests/kube-apiserver.yaml");
    host.write(data, "half of a cluster");
    host.program("kubeadm", kubeadm);
    const again = await run("create");
    expect(again.status).toBe(0);
    expect(kubeadmCalls(again.calls)).toEqual(["reset", "init"]);
    expect(host.read(data)).toBe("");
    expect(host.has(marker)).toBe(true);
  });

  it("takes back what it made when kubeadm fails, and says why without the secrets", async () => {
    const fails = `${makesCluster}\n    echo "error: token ${token} key ${"ab".repeat(32)}: etcd is unwell"; exit 1`;
    host.program("kubeadm", { ...kubeadm, "init --config *": fails });
    const { status, stdout, stderr, calls } = await run("create");
    expect(status).toBe(1);
    expect(stderr).toContain("etcd is unwell");
    expect(stderr).toMatch(/host cp-1 \(10\.89\.0\.11\): kubeadm init did not succeed .* taken back/);
    expect(stdout + stderr).not.toContain(token);
    expect(stdout + stderr).not.toContain("ab".repeat(32));
    expect(kubeadmCalls(calls)).toEqual(["init", "reset"]);
    expect(host.has(data)).toBe(false);
    expect(host.has(marker)).toBe(false);
  });

  it.each(["create", "update"] as const)("never erases a cluster whose admin.conf is gone: %s", async (action) => {
    await finished();
    host.write("/etc/kubernetes/manifests/etcd.yaml");
    rmSync(host.path(adminConf));
    const { status, stderr, calls } = await run(action);
    expect(host.read(data)).toBe("the cluster's data");
    expect(kubeadmCalls(calls)).toEqual([]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/admin\.conf is missing.*kubeadm init phase kubeconfig admin --config \S+init\.yaml/);
  });

  it.each(["create", "update"] as const)("never erases a cluster whose marker is gone: %s", async (action) => {
    await finished();
    rmSync(host.path(marker));
    const { status, calls } = await run(action);
    expect(host.read(data)).toBe("the cluster's data");
    expect(kubeadmCalls(calls)).toEqual([]);
    expect(status).toBe(0);
  });

  it("leaves a cluster alone that it did not begin", async () => {
    host.write(data, "another's data");
    host.write(adminConf);
    const { status, stderr, calls } = await run("create");
    expect(host.read(data)).toBe("another's data");
    expect(kubeadmCalls(calls)).toEqual([]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/this stack did not begin.*kubeadm reset -f/);
  });

  it("never makes a cluster on an update: another machine at the address is refused", async () => {
    const { status, stderr, calls } = await run("update");
    expect(status).toBe(1);
    expect(kubeadmCalls(calls)).toEqual([]);
    expect(stderr).toMatch(/no control plane .* was made here.*--replace/);
  });

  it("never resets on an update, not even what is half-made", async () => {
    host.claim({ init: "begun" });
    host.write(data, "half of a cluster");
    const { status, calls } = await run("update");
    expect(status).toBe(1);
    expect(kubeadmCalls(calls)).toEqual([]);
    expect(host.read(data)).toBe("half of a cluster");
  });

  it("is undone by a reset, and can be done again", async () => {
    await finished();
    const gone = await run("delete");
    expect(kubeadmCalls(gone.calls)).toEqual(["reset"]);
    expect(host.has(data)).toBe(false);
    expect(host.has("/etc/sansproxy/kubeadm")).toBe(false);
    expect(kubeadmCalls((await run("create")).calls)).toEqual(["init"]);
  });

  it("refuses a kubeadm that installed kube-proxy all the same", async () => {
    host.program("kubeadm", { ...kubeadm, "version -o short": "echo v1.36.3" });
    host.program("kubectl", { ...kubectl, "*get daemonset,configmap kube-proxy *": "echo daemonset.apps/kube-proxy" });
    const { status, stderr } = await run("create");
    expect(status).toBe(1);
    expect(stderr).toContain("installed kube-proxy although it is disabled");
    expect(host.has(marker)).toBe(false);
  });
});
