// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHost, type Program } from "./fake-host.ts";

const wanted = "v1.36.3";
const apt = { PACKAGE_SOURCE: "apt", APT_REPOSITORY: "http://packages.test", APT_KEY_FINGERPRINT: "AB12" };
const first = {
  ...apt,
  BUNDLE_PROGRAMS: "",
  DRAIN_SECONDS: 30,
  UPGRADE_SECONDS: 60,
  KUBEADM_UPGRADE: "kind: UpgradeConfiguration\n",
};
const worker = { ...first, HOST_NAME: "worker-1", HOST_ADDRESS: "10.89.0.21", HOST_ROLE: "worker", HOST_FIRST: "no" };

/** A member whose programs and Node are what the files in its root say: installing and restarting change them. */
const programs: Readonly<Record<string, Program>> = {
  curl: { "*": ': >"$root/etc/apt/keyrings/kubernetes.asc.new"' },
  gpg: { "*": 'printf "pub:u:255:22:CD34:\\nfpr:::::::::AB12:\\n"' },
  "apt-get": {
    "update -q": "",
    "install *": 'for word in "$@"; do case "$word" in *=*) printf %s "${word#*=}" >"$root/${word%%=*}" ;; esac; done',
  },
  "apt-cache": { "madison kubeadm": `echo 'kubeadm | ${wanted.slice(1)}-1.1 | here'` },
  "apt-mark": { "hold *": "" },
  "dpkg-query": { "*Conffiles*": "", "-W *": 'cat "$root/$4"' },
  kubelet: { "--version": 'printf "Kubernetes v%s\\n" "$(sed "s/-.*//" "$root/kubelet")"' },
  kubeadm: { "upgrade *": "", "config images list *": "echo registry.k8s.io/pause:3.10.2" },
  systemctl: { "restart containerd": "", "restart kubelet": 'cp "$root/kubelet" "$root/node"' },
  kubectl: {
    "*get node *kubeletVersion*": `printf 'v%s=True' "$(sed "s/-.*//" "$root/node")"`,
    "*get node * -o jsonpath={.spec.unschedulable}": 'cat "$root/cordoned"',
    "*get node * -o jsonpath={.metadata.annotations*": 'cat "$root/mark"',
    "*annotate node * sansproxy.io/cordoned-for=*": `printf ${wanted} >"$root/mark"`,
    "*annotate node * sansproxy.io/cordoned-for-": ': >"$root/mark"',
    "*drain *": 'printf true >"$root/cordoned"',
    "*uncordon *": ': >"$root/cordoned"',
    "*get daemonset,configmap kube-proxy *": "",
  },
};

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
  for (const [name, program] of Object.entries(programs)) host.program(name, program);
  for (const name of ["kubeadm", "kubelet", "kubectl", "node"]) host.write(`/${name}`, "1.36.2-1.1");
  for (const name of ["mark", "cordoned"]) host.write(`/${name}`);
  host.write("/etc/apt/sources.list.d/x");
  host.write("/etc/kubernetes/kubelet.conf");
  host.claim();
});
afterEach(() => host.remove());

const run = (variables: Readonly<Record<string, string | number>>) =>
  host.run("upgrade", "update", { KUBERNETES_VERSION: wanted, ...variables });

/** What was done, in its order, of the calls that matter. */
const doings = (calls: readonly string[]) =>
  calls.flatMap((call) => {
    const found =
      /^apt-get install .*?(?<packages>(?: \w+=\S+)+)$/.exec(call)?.groups?.["packages"]?.replaceAll(/=\S+/g, "") ??
      /^(kubeadm upgrade \w+|systemctl restart kubelet)/.exec(call)?.[1] ??
      / (drain|uncordon) /.exec(call)?.[1];
    return found === undefined ? [] : [found.trim()];
  });

describe("the upgrade of the first control plane", () => {
  it("goes in kubeadm's order: kubeadm, plan, apply, drain, kubelet and kubectl, restart, back into use", async () => {
    const { status, stdout, calls } = await run(first);
    expect(status).toBe(0);
    expect(doings(calls)).toEqual([
      "kubeadm",
      "kubeadm upgrade plan",
      "kubeadm upgrade apply",
      "drain",
      "kubelet kubectl",
      "systemctl restart kubelet",
      "uncordon",
    ]);
    expect(stdout).toContain("was upgraded from v1.36.2 to v1.36.3");
    expect(host.read("/mark") + host.read("/cordoned")).toBe("");
  });

  it("reads the configuration that skips kube-proxy, in plan and apply", async () => {
    const { calls } = await run(first);
    const upgrades = calls.filter((call) => call.startsWith("kubeadm upgrade"));
    for (const call of upgrades)
      expect(call).toMatch(/ v1\.36\.3 --config \S+\/etc\/sansproxy\/kubeadm\/upgrade\.yaml/);
    expect(upgrades).toHaveLength(2);
    expect(host.read("/etc/sansproxy/kubeadm/upgrade.yaml")).toBe(first.KUBEADM_UPGRADE);
  });

  it("changes nothing on a host that runs the version", async () => {
    await run(first);
    const { status, calls } = await run(first);
    expect(status).toBe(0);
    expect(doings(calls)).toEqual([]);
  });

  it("touches neither control plane nor kubelet when kubeadm finds the cluster unfit, and says why", async () => {
    host.program("kubeadm", { "upgrade plan *": "echo the control plane is NotReady; exit 1" });
    const { status, stderr, calls } = await run(first);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /is NotReady[\s\S]*host cp-1 .*not fit for an upgrade to v1\.36\.3, and nothing of it was changed/,
    );
    expect(doings(calls)).toEqual(["kubeadm", "kubeadm upgrade plan"]);
  });

  it("goes on after an apply that was cut short, without installing kubeadm again", async () => {
    host.program("kubeadm", { "upgrade plan *": "", "upgrade apply *": "exit 1" });
    expect((await run(first)).stderr).toMatch(/kubeadm upgrade apply did not succeed .*run the update again/);
    for (const [name, program] of Object.entries({ kubeadm: programs["kubeadm"] })) host.program(name, program ?? {});
    const { status, calls } = await run(first);
    expect(status).toBe(0);
    expect(doings(calls)[0]).toBe("kubeadm upgrade plan");
    expect(doings(calls).slice(-2)).toEqual(["systemctl restart kubelet", "uncordon"]);
  });

  it("goes on where the new kubelet was installed and not yet started", async () => {
    for (const name of ["kubeadm", "kubelet", "kubectl"]) host.write(`/${name}`, "1.36.3-1.1");
    host.write("/cordoned", "true");
    host.write("/mark", wanted);
    const { status, calls } = await run(first);
    expect(status).toBe(0);
    expect(doings(calls).slice(-2)).toEqual(["systemctl restart kubelet", "uncordon"]);
  });

  it("goes on where only the way back into use was missing", async () => {
    host.write("/node", "1.36.3-1.1");
    host.write("/cordoned", "true");
    host.write("/mark", wanted);
    const { status, calls } = await run(first);
    expect(status).toBe(0);
    expect(doings(calls)).toEqual(["uncordon"]);
  });

  it("leaves a Node cordoned that an administrator has cordoned", async () => {
    host.write("/cordoned", "true");
    const { status, calls } = await run(first);
    expect(status).toBe(0);
    expect(doings(calls)).not.toContain("uncordon");
    expect(host.read("/cordoned")).toBe("true");
  });

  it("refuses a kubeadm that brought kube-proxy back", async () => {
    host.program("kubeadm", { ...programs["kubeadm"], "version -o short": "echo v1.36.3" });
    host.program("kubectl", {
      "*get daemonset,configmap *": "echo daemonset.apps/kube-proxy",
      ...programs["kubectl"],
    });
    const { status, stderr, calls } = await run(first);
    expect(status).toBe(1);
    expect(stderr).toContain("installed kube-proxy although it is disabled");
    expect(doings(calls)).not.toContain("drain");
  });
});

describe("the upgrade of another host", () => {
  it("leaves its drain and its way back to the control plane", async () => {
    const { status, calls } = await run(worker);
    expect(status).toBe(0);
    expect(doings(calls)).toEqual(["kubeadm", "kubeadm upgrade node", "kubelet kubectl", "systemctl restart kubelet"]);
  });

  it("says what its kubelet complains of when the Node does not become Ready, and leaves it cordoned", async () => {
    host.program("systemctl", { "restart containerd": "", "restart kubelet": "" });
    host.program("seq", { "*": "echo 300" });
    host.program("journalctl", { "*": "echo 'E1127 kubelet.go: failed to start'" });
    const { status, stderr } = await run(worker);
    expect(status).toBe(1);
    expect(stderr).toMatch(/failed to start[\s\S]*host worker-1 .*was not Ready with v1\.36\.3 .*stays cordoned/);
  });
});

describe("the step drain", () => {
  const joining = { JOIN_NAME: "worker-1", JOIN_ROLE: "worker", DRAIN_SECONDS: 30, KUBERNETES_VERSION: wanted };

  it("marks and drains a Node that runs another version, and deletes no Pod that nothing would make again", async () => {
    const { status, calls } = await host.run("drain", "create", joining);
    expect(status).toBe(0);
    expect(host.read("/mark")).toBe(wanted);
    expect(calls.find((call) => call.includes(" drain "))).not.toContain("--force");
  });

  it("leaves a Node alone that runs the version, and one that is not there yet", async () => {
    for (const version of ["v1.36.3", ""]) {
      host.program("kubectl", { "*get node worker-1 *": `printf '${version}'` });
      const { status, calls } = await host.run("drain", "create", joining);
      expect(status).toBe(0);
      expect(calls).toHaveLength(1);
    }
  });

  it("names the pods and the remedy when the Node cannot be drained", async () => {
    host.program("kubectl", { "*drain worker-1 *": "echo budget web; exit 1", ...programs["kubectl"] });
    const { status, stderr } = await host.run("drain", "update", joining);
    expect(status).toBe(1);
    expect(stderr).toMatch(/budget web[\s\S]*worker-1 could not be drained within 30 seconds .*drainTimeoutSeconds/);
  });
});
