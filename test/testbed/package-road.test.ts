// SPDX-License-Identifier: Apache-2.0
// Prepares a real machine from Debian's and a signed Kubernetes repository, as a host without a bundle is prepared.

import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scriptCommand, scriptInput } from "../../components/internal/bare-metal/scripts.ts";
import { clone } from "../../stacks/local/host/paths.ts";
import { createMachine } from "../../stacks/local/machines/machine.ts";
import { createNetwork } from "../../stacks/local/machines/network.ts";
import { sweep } from "../../stacks/local/machines/sweep.ts";
import { obtain } from "../../stacks/local/toolchain/build.ts";
import { makeBundle } from "../../stacks/local/toolchain/bundle.ts";
import { earlierKubernetesVersion, kubernetesVersion } from "../../stacks/local/toolchain/programs.ts";
import { settled } from "../components/recorded-program.ts";
import { type PackageRepository, servePackages } from "./package-repository.ts";

const stack = "packages";
const bridge = { name: "sppackages0", cidr: "10.89.252.0/24" };
const address = "10.89.252.11";
let keys: string;
let repository: PackageRepository;

beforeAll(async () => {
  await sweep(stack);
  keys = mkdtempSync(join(tmpdir(), "sansproxy-packages-keys-"));
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(keys, "id")]);
  const authorizedKey = readFileSync(join(keys, "id.pub"), "utf8").trim();
  await createNetwork({ stack, bridge });
  const { hostKey } = await createMachine({ stack, name: "bare", address, memoryMb: 1024, authorizedKey, bridge });
  writeFileSync(join(keys, "known_hosts"), `${address} ${hostKey}\n`);
  const { hostname } = new URL(await ssh("awk '$1 == \"deb\" { print $2; exit }' /etc/apt/sources.list"));
  const earlier = await obtain(["kubeadm", "kubelet", "kubectl"], earlierKubernetesVersion);
  const earlierBundle = await makeBundle(earlier, [], earlierKubernetesVersion);
  const archives = {
    [kubernetesVersion]: join(clone.bundle, "bin.tar.gz"),
    [earlierKubernetesVersion]: join(earlierBundle, "bin.tar.gz"),
  };
  repository = await servePackages(archives, "10.89.252.1", hostname);
  await ssh(`echo 'Acquire::http::Proxy::${hostname} "${repository.url}";' > /etc/apt/apt.conf.d/90-proxy`);
});

afterAll(async () => {
  await repository?.close();
  await sweep(stack);
  rmSync(keys, { recursive: true, force: true });
});

test("a signing key other than the pinned one is refused, and nothing of the repository is trusted or installed", async () => {
  const refused = prepare({ APT_KEY_FINGERPRINT: "0".repeat(40) });
  await expect(refused).rejects.toThrow(
    new RegExp(`has the fingerprint ${repository.keyFingerprint} and ${"0".repeat(40)} alone is expected`),
  );
  expect(await ssh("ls /etc/apt/keyrings/kubernetes.asc /usr/bin/kubelet 2>&1 | grep -c 'No such file'")).toBe("2");
});

test("a host gets the distribution's packages and the exact version of Kubernetes, and keeps it", async () => {
  expect(await prepare({})).toContain(`has kubeadm, kubelet and kubectl ${kubernetesVersion} and containerd`);
  expect(await ssh("kubelet --version; kubeadm version -o short")).toBe(
    `Kubernetes ${kubernetesVersion}\n${kubernetesVersion}`,
  );
  expect(await ssh("apt-mark showhold")).toBe("kubeadm\nkubectl\nkubelet");
  expect(await ssh("systemctl is-enabled kubelet; systemctl is-active containerd")).toBe("enabled\nactive");
});

test("preparing it again changes nothing", async () => {
  const state = "dpkg-query -W | sha256sum; systemctl show -p ActiveEnterTimestampMonotonic containerd";
  const before = await ssh(state);
  await prepare({});
  expect(await ssh(state)).toBe(before);
});

test("a member keeps its programs until its upgrade, which brings kubeadm first and the kubelet later", async () => {
  const versions = "kubeadm version -o short; kubelet --version; kubectl version --client | head -n 1";
  const all = (kubeadm: string, rest: string) => `${kubeadm}\nKubernetes ${rest}\nClient Version: ${rest}`;
  await prepare({ KUBERNETES_VERSION: earlierKubernetesVersion });
  expect(await ssh(versions)).toBe(all(earlierKubernetesVersion, earlierKubernetesVersion));
  await ssh("mkdir -p /etc/kubernetes && touch /etc/kubernetes/kubelet.conf");
  expect(await prepare({})).toContain(`is ready for its upgrade to ${kubernetesVersion}`);
  expect(await ssh(versions)).toBe(all(earlierKubernetesVersion, earlierKubernetesVersion));
  await bring("kubeadm");
  expect(await ssh(versions)).toBe(all(kubernetesVersion, earlierKubernetesVersion));
  await bring("kubelet kubectl");
  expect(await ssh(versions)).toBe(all(kubernetesVersion, kubernetesVersion));
  expect(await ssh("apt-mark showhold")).toBe("kubeadm\nkubectl\nkubelet");
  await ssh("rm /etc/kubernetes/kubelet.conf");
});

test("a version that the repository does not have is refused by name", async () => {
  await expect(prepare({ KUBERNETES_VERSION: "v1.36.99" })).rejects.toThrow(/has no kubeadm 1\.36\.99; choose/);
});

/** Runs the step as BareMetalCluster does; what it says, or a refusal with what it said. */
async function prepare(changes: Record<string, string>): Promise<string> {
  const input = await settled(scriptInput("prepare", { ...variables(), ...changes }));
  return await ssh(scriptCommand("create", 240, false), input);
}

/** The part of the step `upgrade` that installs these programs; the rest of it needs a cluster. */
async function bring(programs: string): Promise<void> {
  const step = await settled(scriptInput("upgrade", variables()));
  const part = step.replace(/\n"run_\$1" <\/dev\/null\n$/, `\nbring_kubernetes ${programs} </dev/null\n`);
  if (part === step) throw new Error("The step upgrade does not end as expected.");
  await ssh(scriptCommand("update", 240, false), part);
}

function variables() {
  return {
    HOST_NAME: "bare",
    HOST_ADDRESS: address,
    HOST_ROLE: "worker",
    HOST_FIRST: "no",
    CLUSTER_ID: "project/stack/metal",
    KUBERNETES_VERSION: kubernetesVersion,
    PACKAGE_SOURCE: "apt",
    BUNDLE_FILES: "",
    BUNDLE_PROGRAMS: "",
    BUNDLE_IMAGES: "",
    HOST_IPV6: "",
    APT_REPOSITORY: repository.url,
    APT_KEY_FINGERPRINT: repository.keyFingerprint,
  };
}

/** Runs a command in the machine by SSH, accepting no other host key. */
function ssh(command: string, input = ""): Promise<string> {
  const known = ["-o", `UserKnownHostsFile=${join(keys, "known_hosts")}`, "-o", "StrictHostKeyChecking=yes"];
  const args = ["-i", join(keys, "id"), ...known, "-o", "BatchMode=yes", `root@${address}`, command];
  return new Promise((resolve, reject) => {
    const child = execFile("ssh", args, { encoding: "utf8" }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim());
      else reject(new Error(`${command}: ${stdout}${stderr}`));
    });
    // A command that fails ends before it has read all; what it said tells why, not the broken pipe.
    child.stdin?.on("error", () => undefined).end(input);
  });
}
