// SPDX-License-Identifier: Apache-2.0
// Applies the rules of BareMetalCluster to its inputs: at once to what is known, and later to what is an output.

import * as pulumi from "@pulumi/pulumi";
import { checkedInput, type InputProblem, knownNow, refuseProblems } from "../input-errors.ts";
import { canonicalVersion, defaultKubernetesVersion, supportedVersionRule } from "../kubernetes-version.ts";
import { secondsRule } from "../time-limit.ts";
import { unknownInputs } from "../unknown-inputs.ts";
import {
  type BareMetalClusterArgs,
  type BareMetalHostArgs,
  type BastionArgs,
  bareMetalInputs,
  type PackageRepositoryArgs,
} from "./args.ts";
import { type Bundle, readBundle } from "./bundle.ts";
import * as rules from "./rules.ts";

/** A host with its defaults, each value checked when it is known. */
export interface CheckedHost extends Omit<BareMetalHostArgs, "address" | "ipv6Address"> {
  readonly address: pulumi.Output<string>;
  /** Empty in a cluster of one family. */
  readonly ipv6Address: pulumi.Output<string>;
}

/** The inputs with their defaults. */
export interface CheckedInputs {
  readonly hosts: readonly CheckedHost[];
  readonly bastion: BastionArgs | undefined;
  readonly kubernetesVersion: string;
  readonly bundle: Bundle | undefined;
  /** Where packages come from when there is no bundle. */
  readonly packageRepository: PackageRepositoryArgs;
  /** Plain where it was given so: other components can then judge it before anything is created. */
  readonly podCidrs: pulumi.Input<string[]>;
  readonly serviceCidrs: pulumi.Input<string[]>;
}

/** Fingerprint of the key that signs https://pkgs.k8s.io. */
const kubernetesKeyFingerprint = "DE15B14486CD377B9E876E1A234654DA9A296436";
const defaultPodCidrs = ["10.244.0.0/16"];
const defaultServiceCidrs = ["10.96.0.0/12"];

function facts(host: BareMetalHostArgs): rules.HostFacts {
  return {
    name: host.name,
    role: host.role,
    address: knownNow(host.address),
    ipv6Address: knownNow(host.ipv6Address),
    ipv6AddressGiven: host.ipv6Address !== undefined,
    port: knownNow(host.port),
    hostKey: knownNow(host.hostKey),
    hostKeyGiven: host.hostKey !== undefined && host.hostKey !== "",
    insecureIgnoreHostKey: host.insecureIgnoreHostKey === true,
  };
}

const whenKnown = <T>(value: T | undefined, rule: (value: T) => InputProblem[]): InputProblem[] =>
  value === undefined ? [] : rule(value);

function hostProblems(path: string, host: rules.HostFacts): InputProblem[] {
  return [
    ...rules.hostNameRule(path, host),
    ...rules.hostRoleRule(path, host),
    ...whenKnown(host.address, (address) => rules.addressRule(`${path}.address`, address)),
    ...whenKnown(host.port, (port) => rules.portRule(`${path}.port`, port)),
    ...rules.hostKeyGivenRule(path, host),
    ...whenKnown(host.hostKey, (key) => (key === "" ? [] : rules.hostKeyRule(`${path}.hostKey`, key))),
  ];
}

function bastionProblems(bastion: BareMetalClusterArgs["bastion"]): InputProblem[] {
  if (bastion === undefined) return [];
  return [
    ...rules.hostKeyGivenRule("bastion", {
      hostKeyGiven: bastion.hostKey !== undefined && bastion.hostKey !== "",
      insecureIgnoreHostKey: bastion.insecureIgnoreHostKey === true,
    }),
    ...whenKnown(knownNow(bastion.host), (host) => rules.hostRule("bastion.host", host)),
    ...whenKnown(knownNow(bastion.hostKey), (key) => (key === "" ? [] : rules.hostKeyRule("bastion.hostKey", key))),
    ...whenKnown(knownNow(bastion.port), (port) => rules.portRule("bastion.port", port)),
    ...whenKnown(knownNow(bastion.privateKey), (key) => rules.privateKeyRule("bastion.privateKey", key)),
  ];
}

function networkProblems(podCidrs: string[], serviceCidrs: string[], hostCount: number): InputProblem[] {
  const malformed = [...rules.cidrListRule("podCidrs", podCidrs), ...rules.cidrListRule("serviceCidrs", serviceCidrs)];
  if (malformed.length > 0) return malformed;
  return [
    ...rules.sameFamiliesRule(podCidrs, serviceCidrs),
    ...rules.podCidrSizeRule(podCidrs, hostCount),
    ...rules.serviceCidrSizeRule(serviceCidrs),
    ...rules.cidrOverlapRule(podCidrs, serviceCidrs),
  ];
}

function bundleProblems(bundle: Bundle | InputProblem | undefined, version: string): InputProblem[] {
  if (bundle === undefined) return [];
  return "reason" in bundle ? [bundle] : rules.bundleVersionRule(bundle, version);
}

/** Kubernetes' own repository, one for each minor version. */
function kubernetesRepository(version: string): PackageRepositoryArgs {
  const minor = version.split(".").slice(0, 2).join(".");
  return { url: `https://pkgs.k8s.io/core:/stable:/${minor}/deb`, keyFingerprint: kubernetesKeyFingerprint };
}

function unknownInputsOf(args: BareMetalClusterArgs): InputProblem[] {
  const groups = ["bastion", "controlPlaneEndpoint", "packageRepository"] as const;
  return [
    ...unknownInputs(args, bareMetalInputs.cluster),
    ...args.hosts.flatMap((host, index) => unknownInputs(host, bareMetalInputs.host, {}, `hosts[${index}].`)),
    ...groups.flatMap((group) => unknownInputs(args[group] ?? {}, bareMetalInputs[group], {}, `${group}.`)),
  ];
}

/** An output can turn out to hold no key, and SSH would then accept every machine. */
function withCheckedHostKey<T extends Pick<BastionArgs, "hostKey">>(what: string, path: string, args: T): T {
  const { hostKey } = args;
  // A plain one has been checked at once.
  if (hostKey === undefined || knownNow(hostKey) !== undefined) return args;
  const checked = checkedInput<string | null | undefined>(hostKey, what, (key) =>
    key === undefined || key === null || key === ""
      ? rules.hostKeyGivenRule(path, { hostKeyGiven: false, insecureIgnoreHostKey: false })
      : rules.hostKeyRule(`${path}.hostKey`, key),
  );
  return { ...args, hostKey: checked };
}

/** Throws one error for all wrong inputs that can be seen now; what is unknown yet fails its own host or network later. */
export function checkInputs(what: string, name: string, args: BareMetalClusterArgs): CheckedInputs {
  const hosts = args.hosts.map(facts);
  const version = args.kubernetesVersion ?? defaultKubernetesVersion;
  const podCidrs = args.podCidrs ?? defaultPodCidrs;
  const serviceCidrs = args.serviceCidrs ?? defaultServiceCidrs;
  const podsNow = knownNow(podCidrs) as string[] | undefined;
  const servicesNow = knownNow(serviceCidrs) as string[] | undefined;
  const bundle = args.bundlePath === undefined ? undefined : readBundle("bundlePath", args.bundlePath);

  const outside = (path: string, address: string, pods: string[], services: string[]) =>
    rules.addressOutsideCidrsRule(path, address, pods, services);

  refuseProblems(what, [
    ...unknownInputsOf(args),
    ...rules.clusterNameRule(name),
    ...hosts.flatMap((host, index) => hostProblems(`hosts[${index}]`, host)),
    ...rules.uniqueHostsRule(hosts),
    ...rules.controlPlaneCountRule(hosts),
    ...supportedVersionRule("kubernetesVersion", version),
    ...bundleProblems(bundle, version),
    ...rules.packageRepositoryRule("packageRepository", args.packageRepository, args.bundlePath),
    ...whenKnown(knownNow(args.privateKey), (key) => rules.privateKeyRule("privateKey", key)),
    ...bastionProblems(args.bastion),
    ...whenKnown(knownNow(args.controlPlaneEndpoint?.port), (port) =>
      rules.portRule("controlPlaneEndpoint.port", port),
    ),
    ...whenKnown(knownNow(args.controlPlaneEndpoint?.host), (host) =>
      rules.hostRule("controlPlaneEndpoint.host", host),
    ),
    ...whenKnown(args.dnsDomain, (domain) => rules.dnsDomainRule("dnsDomain", domain)),
    ...whenKnown(args.certSans, (names) => rules.certSansRule("certSans", names)),
    ...whenKnown(args.minimumKernelVersion, (kernel) => rules.kernelVersionRule("minimumKernelVersion", kernel)),
    ...whenKnown(args.drainTimeoutSeconds, (seconds) => secondsRule("drainTimeoutSeconds", seconds)),
    ...(podsNow !== undefined && servicesNow !== undefined ? networkProblems(podsNow, servicesNow, hosts.length) : []),
    ...hosts.flatMap((host, index) =>
      (["address", "ipv6Address"] as const).flatMap((property) =>
        whenKnown(host[property], (address) =>
          outside(`hosts[${index}].${property}`, address, podsNow ?? [], servicesNow ?? []),
        ),
      ),
    ),
    ...(podsNow === undefined
      ? []
      : hosts.flatMap((host, index) => rules.ipv6AddressRule(`hosts[${index}]`, host, rules.isDualStack(podsNow)))),
  ]);

  const networks = checkedInput(
    pulumi.all([podCidrs, serviceCidrs]) as pulumi.Output<[string[], string[]]>,
    what,
    ([pods, services]) => networkProblems(pods, services, hosts.length),
  );
  return {
    hosts: args.hosts.map((host, index) => ({
      ...withCheckedHostKey(what, `hosts[${index}]`, host),
      address: checkedInput(
        pulumi.all([host.address, podCidrs, serviceCidrs]) as pulumi.Output<[string, string[], string[]]>,
        what,
        ([address, pods, services]) => [
          ...rules.addressRule(`hosts[${index}].address`, address),
          ...outside(`hosts[${index}].address`, address, pods, services),
        ],
      ).apply(([address]) => address),
      ipv6Address: checkedInput(
        pulumi.all([host.ipv6Address ?? "", podCidrs, serviceCidrs]) as pulumi.Output<[string, string[], string[]]>,
        what,
        ([ipv6Address, pods, services]) => [
          ...rules.ipv6AddressRule(
            `hosts[${index}]`,
            { ...facts(host), ...(ipv6Address === "" ? {} : { ipv6Address }) },
            rules.isDualStack(pods),
          ),
          ...outside(`hosts[${index}].ipv6Address`, ipv6Address, pods, services),
        ],
      ).apply(([ipv6Address]) => ipv6Address),
    })),
    bastion: args.bastion === undefined ? undefined : withCheckedHostKey(what, "bastion", args.bastion),
    kubernetesVersion: canonicalVersion(version),
    bundle: bundle === undefined || "reason" in bundle ? undefined : bundle,
    packageRepository: args.packageRepository ?? kubernetesRepository(canonicalVersion(version)),
    podCidrs: podsNow ?? networks.apply(([pods]) => pods),
    serviceCidrs: servicesNow ?? networks.apply(([, services]) => services),
  };
}
