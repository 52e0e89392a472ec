// SPDX-License-Identifier: Apache-2.0
// The table of programs the local stack runs: what each is, how an official one is recognized, how ours is built.

export interface Check {
  readonly args: readonly string[];
  readonly usable: (output: string) => boolean;
}

export interface Program {
  readonly name: string;
  readonly version: string;
  /** Folder below `modules/` whose go.mod pins the program. */
  readonly module: string;
  readonly package: string;
  /** Linker settings that stamp the version. */
  readonly stamps: readonly string[];
  /** Arguments that make the program say its version, and what it says when it can be used; absent: it cannot say. */
  readonly check?: Check;
  /** True for a package's tests, which Go compiles into a program of their own. */
  readonly tests?: boolean;
  /** Version of the sources, where the program is stamped with another one. */
  readonly sources?: string;
  /** True where the module holds sources of our own; absent: the program is all upstream's. */
  readonly ownSources?: boolean;
}

export const kubernetesVersion = "v1.36.3";
/** The version from which the tests upgrade a cluster. */
export const earlierKubernetesVersion = "v1.36.2";

const kubernetesStamps = (version: string) => [
  `k8s.io/component-base/version.gitVersion=${version}`,
  "k8s.io/component-base/version.gitMajor=1",
  "k8s.io/component-base/version.gitMinor=36",
  `k8s.io/client-go/pkg/version.gitVersion=${version}`,
];

const says = (version: string) => (output: string) =>
  new RegExp(`(^|[^0-9.])v?${quoted(version.replace(/^v/, ""))}(\\s|$)`).test(output);

/** Usable when the output's first `3.x.y` is of the wanted major version and not older than `least`. */
export const atLeast = (least: string) => (output: string) => {
  const found = /(\d+)\.(\d+)\.(\d+)/.exec(output)?.slice(1).map(Number);
  const wanted = least.split(".").map(Number);
  if (found === undefined || found[0] !== wanted[0]) return false;
  const [, minor = 0, patch = 0] = found;
  const [, wantedMinor = 0, wantedPatch = 0] = wanted;
  return minor > wantedMinor || (minor === wantedMinor && patch >= wantedPatch);
};

function kubernetes(name: string, path = `cmd/${name}`, args: readonly string[] = ["--version"]) {
  return { ...silent(name, path), check: { args, usable: says(kubernetesVersion) } };
}

/** A program of Kubernetes that does not say its version: an official one is never recognized. */
function silent(name: string, path: string): Program {
  return {
    name,
    version: kubernetesVersion,
    module: "kubernetes",
    package: `k8s.io/kubernetes/${path}`,
    stamps: kubernetesStamps(kubernetesVersion),
  };
}

const pulumiStamp = (version: string) => [`github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${version}`];

/** A program of ours of upstream's parts: of YAML's own host, and of what there is of Python's, whose module is not published. */
function languageHost(name: string, version: string): Program {
  return {
    name,
    version,
    module: "pulumi-languages",
    package: `sansproxy/toolchain/pulumi-languages/${name}`,
    // YAML's host is not made for newer libraries than these; a newer engine is served all the same.
    stamps: pulumiStamp("v3.206.0"),
    ownSources: true,
  };
}

export const programs = {
  pulumi: {
    name: "pulumi",
    version: "v3.250.0",
    module: "pulumi",
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    stamps: pulumiStamp("v3.250.0"),
    check: { args: ["version"], usable: atLeast("3.250.0") },
  },
  "pulumi-language-yaml": languageHost("pulumi-language-yaml", "v1.25.0"),
  "pulumi-language-python": languageHost("pulumi-language-python", "v3.206.0"),
  helm: {
    name: "helm",
    version: "v3.22.0",
    module: "helm",
    package: "helm.sh/helm/v3/cmd/helm",
    stamps: ["helm.sh/helm/v3/internal/version.version=v3.22.0"],
    check: { args: ["version", "--short"], usable: atLeast("3.18.0") },
  },
  kubeadm: kubernetes("kubeadm", undefined, ["version", "-o", "short"]),
  kubelet: kubernetes("kubelet"),
  kubectl: kubernetes("kubectl", undefined, ["version", "--client"]),
  "kube-apiserver": kubernetes("kube-apiserver"),
  "kube-controller-manager": kubernetes("kube-controller-manager"),
  "kube-scheduler": kubernetes("kube-scheduler"),
  "kube-proxy": kubernetes("kube-proxy"),
  agnhost: silent("agnhost", "test/images/agnhost"),
  // Kubernetes' own end-to-end tests, and a server that one of them starts in a pod.
  "e2e.test": { ...kubernetes("e2e.test", "test/e2e"), module: "e2e", tests: true },
  "regression-issue-74839": silent("regression-issue-74839", "test/images/regression-issue-74839"),
  etcd: {
    name: "etcd",
    version: "v3.6.8",
    module: "etcd",
    package: "go.etcd.io/etcd/server/v3",
    stamps: [],
    check: { args: ["--version"], usable: says("3.6.8") },
  },
  coredns: {
    name: "coredns",
    version: "v1.14.2",
    module: "coredns",
    package: "github.com/coredns/coredns",
    stamps: [],
    check: { args: ["--version"], usable: says("1.14.2") },
  },
} as const satisfies Record<string, Program>;

export type ProgramName = keyof typeof programs;

/** What runs the cluster, and is of its version. */
const ofTheCluster: ReadonlySet<ProgramName> = new Set([
  "kubeadm",
  "kubelet",
  "kubectl",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
]);

/**
 * The program for a cluster of that version. Another patch version than the pinned one is official where the box has it,
 * and otherwise the pinned sources with another stamp: enough to rehearse an upgrade with, and said wherever it is used.
 */
export function programFor(name: ProgramName, version: string): Program {
  const program: Program = programs[name];
  if (version === kubernetesVersion || !ofTheCluster.has(name)) return program;
  const check = program.check === undefined ? {} : { check: { ...program.check, usable: says(version) } };
  return { ...program, ...check, version, stamps: kubernetesStamps(version), sources: kubernetesVersion };
}

/** What `up` needs. */
export const neededByUp: readonly ProgramName[] = [
  "kubeadm",
  "kubelet",
  "kubectl",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "agnhost",
  "etcd",
  "pulumi",
  "helm",
  "coredns",
];

/** What only the tests run: the proxy that ours is compared with, and programs in other languages. */
export const neededByTests: readonly ProgramName[] = ["kube-proxy", "pulumi-language-yaml", "pulumi-language-python"];

function quoted(text: string): string {
  return text.replace(/[.+*?^$()[\]{}|\\]/g, "\\$&");
}
