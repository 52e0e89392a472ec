// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, describe, expect, it } from "vitest";
import { BareMetalCluster, type BareMetalClusterArgs, type BareMetalHostArgs } from "../../components/index.ts";
import { checkInputs } from "../../components/internal/bare-metal/inputs.ts";
import { checkedInput } from "../../components/internal/input-errors.ts";
import { args, controlPlane, host, hostKey, makeBundle, privateKey, worker } from "./bare-metal-args.ts";
import { recordProgram, refusal, settled } from "./recorded-program.ts";

const soundBundle = makeBundle();
afterAll(() => rmSync(soundBundle, { recursive: true }));

/** The problems that the component finds in the inputs; nothing may have been registered by then. */
async function problemsOf(
  wrong: BareMetalClusterArgs,
  name = "metal",
): Promise<{ propertyPath: string; reason: string }[]> {
  let problems: { propertyPath: string; reason: string }[] = [];
  const { resources } = await recordProgram(() => {
    try {
      new BareMetalCluster(name, wrong);
    } catch (error) {
      if (!pulumi.InputPropertiesError.isInstance(error)) throw error;
      problems = error.errors;
      for (const { propertyPath, reason } of problems) expect(error.message).toContain(`${propertyPath}: ${reason}`);
    }
  });
  if (problems.length > 0) expect([...resources.keys()]).toEqual([]);
  return problems;
}

const workerWith = (changes: Partial<BareMetalHostArgs>): BareMetalClusterArgs =>
  args({ hosts: [controlPlane, { ...worker, ...changes }] });
const without = (key: keyof BareMetalHostArgs): BareMetalClusterArgs => {
  const { [key]: _left, ...rest } = worker;
  return args({ hosts: [controlPlane, rest as BareMetalHostArgs] });
};

const dual = (changes: Partial<BareMetalClusterArgs> = {}): BareMetalClusterArgs => ({
  ...args({
    hosts: args().hosts.map((one, index) => ({ ...one, ipv6Address: `fd00:10:89::${index + 1}` })),
    podCidrs: ["10.244.0.0/16", "fd00:10:244::/56"],
    serviceCidrs: ["10.96.0.0/16", "fd00:10:96::/112"],
  }),
  ...changes,
});

type Wrong = [what: string, args: BareMetalClusterArgs, propertyPath: string, remedy: RegExp];

const wrong: Wrong[] = [
  ["a misspelled input", args({ bundelPath: "/x" } as object), "bundelPath", /did you mean "bundlePath"/],
  [
    "a misspelled input of a host",
    workerWith({ hostkey: "x" } as object),
    "hosts[1].hostkey",
    /did you mean "hostKey"/,
  ],
  [
    "a misspelled input of the bastion",
    args({ bastion: { host: "10.0.0.9", hostKey, usr: "x" } } as object),
    "bastion.usr",
    /did you mean "user"/,
  ],
  [
    "a misspelled input of the endpoint",
    args({ controlPlaneEndpoint: { host: "10.0.0.9", prot: 6443 } } as object),
    "controlPlaneEndpoint.prot",
    /did you mean "port"/,
  ],
  [
    "a misspelled input of the repository",
    args({ packageRepository: { url: "https://x.example/deb", keyFingerprint: "A".repeat(40), key: "x" } } as object),
    "packageRepository.key",
    /is no input here/,
  ],
  ["a Node name with capitals", workerWith({ name: "Worker_1" }), "hosts[1].name", /lower-case letters/],
  ["an unknown role", workerWith({ role: "node" }), "hosts[1].role", /use "control-plane" or "worker"/],
  ["a host name as address", workerWith({ address: "worker.example" }), "hosts[1].address", /IPv4 or IPv6 address/],
  ["a port beyond 65535", workerWith({ port: 70000 }), "hosts[1].port", /1 to 65535/],
  ["no host key and no waiver", without("hostKey"), "hosts[1].hostKey", /insecureIgnoreHostKey: true/],
  [
    "a host key and a waiver",
    workerWith({ insecureIgnoreHostKey: true }),
    "hosts[1].insecureIgnoreHostKey",
    /leave one/,
  ],
  [
    "a known_hosts line as host key",
    workerWith({ hostKey: `10.89.0.21 ${hostKey}` }),
    "hosts[1].hostKey",
    /without an address/,
  ],
  [
    "two hosts of one name",
    args({ hosts: [controlPlane, worker, { ...host("worker-1", 23) }] }),
    "hosts[2].name",
    /own name/,
  ],
  [
    "two hosts of one address",
    args({ hosts: [controlPlane, worker, host("worker-2", 21)] }),
    "hosts[2].address",
    /own address/,
  ],
  ["no control plane", args({ hosts: [worker] }), "hosts", /role "control-plane"/],
  ["two control planes", args({ hosts: [controlPlane, host("cp-2", 12)] }), "hosts", /use 1 or 3/],
  [
    "a package repository beside a bundle",
    args({
      bundlePath: soundBundle,
      packageRepository: { url: "https://packages.example/deb", keyFingerprint: "A".repeat(40) },
    }),
    "packageRepository",
    /leave one out/,
  ],
  [
    "a package repository without a scheme",
    args({ packageRepository: { url: "packages.example/deb", keyFingerprint: "A".repeat(40) } }),
    "packageRepository.url",
    /https:\/\//,
  ],
  [
    "a key's short id for its fingerprint",
    args({ packageRepository: { url: "https://packages.example/deb", keyFingerprint: "9A296436" } }),
    "packageRepository.keyFingerprint",
    /40 hexadecimal digits/,
  ],
  [
    "a Kubernetes version with two numbers",
    args({ kubernetesVersion: "v1.36" }),
    "kubernetesVersion",
    /all three numbers/,
  ],
  [
    "a Kubernetes version that is too old",
    args({ kubernetesVersion: "v1.32.4" }),
    "kubernetesVersion",
    /1\.33 to 1\.36/,
  ],
  [
    "a Kubernetes version that is too new",
    args({ kubernetesVersion: "1.37.0" }),
    "kubernetesVersion",
    /1\.33 to 1\.36/,
  ],
  ["no pod network", args({ podCidrs: [] }), "podCidrs", /10\.244\.0\.0\/16/],
  ["a pod network with host bits", args({ podCidrs: ["10.244.1.0/16"] }), "podCidrs[0]", /first address/],
  ["two IPv4 pod networks", args({ podCidrs: ["10.244.0.0/16", "10.245.0.0/16"] }), "podCidrs", /exactly one IPv4/],
  ["an IPv6 pod network alone", args({ podCidrs: ["fd00::/48"] }), "podCidrs", /exactly one IPv4/],
  ["an IPv6 pod network first", dual({ podCidrs: ["fd00::/56", "10.244.0.0/16"] }), "podCidrs", /after it one IPv6/],
  ["Services of one family, pods of two", dual({ serviceCidrs: ["10.96.0.0/16"] }), "serviceCidrs", /or neither/],
  [
    "an IPv6 pod network that is too large",
    dual({ podCidrs: ["10.244.0.0/16", "fd00::/40"] }),
    "podCidrs[1]",
    /\/48 or longer/,
  ],
  ["two families without a host's IPv6 address", dual({ hosts: [controlPlane] }), "hosts[0].ipv6Address", /is missing/],
  [
    "an IPv6 address in a cluster of IPv4",
    workerWith({ ipv6Address: "fd00::21" }),
    "hosts[1].ipv6Address",
    /leave it out/,
  ],
  [
    "an IPv4 address as IPv6 address",
    dual({ hosts: [{ ...controlPlane, ipv6Address: "10.0.0.1" }] }),
    "hosts[0].ipv6Address",
    /is not an IPv6 address/,
  ],
  ...["127.0.0.1", "0.0.0.0", "169.254.7.7", "239.1.1.1", "::1", "::", "fe80::1", "ff02::1"].map(
    (address): Wrong => [
      `the address ${address}, which is no other host's`,
      workerWith({ address }),
      "hosts[1].address",
      /does not lead to this host/,
    ],
  ),
  [
    "an IPv6 address that is the loopback's",
    dual({ hosts: [{ ...controlPlane, ipv6Address: "::1" }] }),
    "hosts[0].ipv6Address",
    /does not lead to this host/,
  ],
  [
    "two hosts of one IPv6 address",
    dual({ hosts: [controlPlane, worker].map((one) => ({ ...one, ipv6Address: "fd00::1" })) }),
    "hosts[1].ipv6Address",
    /own ipv6Address/,
  ],
  [
    "an IPv6 address inside the IPv6 pod network",
    dual({ hosts: [{ ...controlPlane, ipv6Address: "fd00:10:244::1" }] }),
    "hosts[0].ipv6Address",
    /another network for podCidrs/,
  ],
  [
    "a pod network with room for two Nodes of three",
    args({ podCidrs: ["10.244.0.0/23"] }),
    "podCidrs[0]",
    /larger network/,
  ],
  ["a Service network that is too large", args({ serviceCidrs: ["96.0.0.0/8"] }), "serviceCidrs[0]", /\/12 to \/28/],
  ["a Service network that is too small", args({ serviceCidrs: ["10.96.0.0/30"] }), "serviceCidrs[0]", /\/12 to \/28/],
  ["overlapping networks", args({ podCidrs: ["10.96.0.0/16"] }), "serviceCidrs[0]", /share no address/],
  [
    "a host inside the pod network",
    args({ podCidrs: ["10.89.0.0/16"] }),
    "hosts[0].address",
    /another network for podCidrs/,
  ],
  [
    "a host inside the Service network",
    args({ serviceCidrs: ["10.89.0.0/16"] }),
    "hosts[0].address",
    /another network for serviceCidrs/,
  ],
  ["the path of a key instead of the key", args({ privateKey: "~/.ssh/id_ed25519" }), "privateKey", /not its path/],
  ["a bastion without host key", args({ bastion: { host: "b.example" } }), "bastion.hostKey", /insecureIgnoreHostKey/],
  [
    "a bastion with a bad key",
    args({ bastion: { host: "b.example", hostKey, privateKey: "x" } }),
    "bastion.privateKey",
    /content of the key's file/,
  ],
  [
    "an endpoint on port 0",
    args({ controlPlaneEndpoint: { host: "api.example", port: 0 } }),
    "controlPlaneEndpoint.port",
    /1 to 65535/,
  ],
  [
    "an endpoint with its scheme",
    args({ controlPlaneEndpoint: { host: "https://api.example" } }),
    "controlPlaneEndpoint.host",
    /without scheme and port/,
  ],
  [
    "a bastion with its port",
    args({ bastion: { host: "b.example:2222", hostKey } }),
    "bastion.host",
    /without scheme and port/,
  ],
  ["a domain that ends in a dot", args({ dnsDomain: "corp.example." }), "dnsDomain", /such as "cluster\.local"/],
  ["a certificate's address with its port", args({ certSans: ["10.0.0.1:6443"] }), "certSans[0]", /name or an address/],
  ["a kernel that is none", args({ minimumKernelVersion: "latest" }), "minimumKernelVersion", /such as "6\.6"/],
  ["a drain without time", args({ drainTimeoutSeconds: 0 }), "drainTimeoutSeconds", /1 to 3600/],
  ["a folder that is no bundle", args({ bundlePath: "/nonexistent" }), "bundlePath", /make the bundle again/],
];

describe("the inputs of BareMetalCluster", () => {
  it("are accepted when they are sound", async () => {
    expect(await problemsOf(args())).toEqual([]);
    expect(await problemsOf(dual())).toEqual([]);
    const names = { certSans: ["*.api.example", "fd00::1", "203.0.113.7"], dnsDomain: "corp.example" };
    const ways = { controlPlaneEndpoint: { host: "fd00::9" }, bastion: { host: "b.example", hostKey } };
    expect(await problemsOf(args({ ...names, ...ways, minimumKernelVersion: "6.8.0" }))).toEqual([]);
  });

  it.each(wrong)("refuse %s, naming the property and the remedy", async (_what, inputs, propertyPath, remedy) => {
    const problems = await problemsOf(inputs);
    const found = problems.find((problem) => problem.propertyPath === propertyPath);
    expect(found, JSON.stringify(problems)).toBeDefined();
    expect(found?.reason).toMatch(remedy);
  });

  it("refuse a cluster name that no host could be called by", async () => {
    expect((await problemsOf(args(), "Metal One")).map(({ propertyPath }) => propertyPath)).toEqual(["name"]);
  });

  it("report all problems at once", async () => {
    const problems = await problemsOf(
      args({ hosts: [{ ...worker, role: "x", address: "y" }], kubernetesVersion: "2" }),
    );
    expect(problems.map(({ propertyPath }) => propertyPath).sort()).toEqual([
      "hosts",
      "hosts[0].address",
      "hosts[0].role",
      "kubernetesVersion",
    ]);
  });

  it("never show a private key that is refused", async () => {
    const problems = await problemsOf(args({ privateKey: `SECRET${privateKey}` }));
    expect(JSON.stringify(problems)).not.toMatch(/SECRET|THE-SSH-KEY/);
  });

  it("refuse a bundle of another Kubernetes version", async () => {
    const bundlePath = makeBundle("v1.35.1");
    const problems = await problemsOf(args({ bundlePath }));
    expect(problems).toEqual([
      {
        propertyPath: "kubernetesVersion",
        reason: expect.stringMatching(/holds v1\.35\.1; set kubernetesVersion to that/),
      },
    ]);
    rmSync(bundlePath, { recursive: true });
  });

  it("refuse a bundle that lacks a file of its manifest", async () => {
    const bundlePath = makeBundle();
    rmSync(join(bundlePath, "images/etcd.tar.gz"));
    expect(await problemsOf(args({ bundlePath }))).toEqual([
      { propertyPath: "bundlePath", reason: expect.stringContaining("lacks images/etcd.tar.gz") },
    ]);
    rmSync(bundlePath, { recursive: true });
  });

  it("refuse a bundle whose manifest does not say what is in it", async () => {
    const bundlePath = mkdtempSync(join(tmpdir(), "sansproxy-bundle-"));
    writeFileSync(join(bundlePath, "manifest.json"), '{"kubernetesVersion":"v1.36.3","files":[{"path":"bin.tar.gz"}]}');
    expect((await problemsOf(args({ bundlePath })))[0]?.reason).toContain("sha256 and roles");
    rmSync(bundlePath, { recursive: true });
  });

  const notGiven: [what: string, key: pulumi.Output<string>][] = [
    ["undefined", pulumi.output(undefined) as unknown as pulumi.Output<string>],
    ["empty", pulumi.output("")],
  ];

  it.each(notGiven)(
    "refuse a host key that turns out to be %s: the connection would not be checked",
    async (_, key) => {
      let [hostText, bastionText] = ["", ""];
      await recordProgram(async () => {
        const inputs = checkInputs(
          "Cluster",
          "metal",
          args({ hosts: [{ ...controlPlane, hostKey: key }], bastion: { host: "b.example", hostKey: key } }),
        );
        hostText = await refusal(pulumi.output(inputs.hosts[0]?.hostKey));
        bastionText = await refusal(pulumi.output(inputs.bastion?.hostKey));
      });
      expect(hostText).toMatch(/hosts\[0\]\.hostKey: is missing, .*ssh-keyscan/);
      expect(bastionText).toMatch(/bastion\.hostKey: is missing, .*ssh-keyscan/);
    },
  );

  it("refuse a host key that turns out to be none, and keep one that is sound", async () => {
    await recordProgram(async () => {
      const given = (key: string) =>
        pulumi.output(
          checkInputs("Cluster", "metal", args({ hosts: [{ ...controlPlane, hostKey: pulumi.output(key) }] })).hosts[0]
            ?.hostKey,
        );
      expect(await refusal(given("10.0.0.1 ssh-ed25519 AAAA"))).toContain("is not a public host key");
      expect(await settled(given(hostKey))).toBe(hostKey);
    });
  });

  it("are checked when they become known where they are outputs", async () => {
    const rule = (text: string) => (text === "bad" ? [{ propertyPath: "x", reason: "is bad." }] : []);
    const refused = checkedInput(pulumi.output("bad"), "Thing", rule);
    expect(await refusal(refused)).toContain("x: is bad.");
    expect(await settled(checkedInput(pulumi.output("good"), "Thing", rule))).toBe("good");
  });
});
