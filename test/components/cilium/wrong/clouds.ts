// SPDX-License-Identifier: Apache-2.0
// Wrong choices for managed clusters.

import { helm, on, type Wrong } from "./row.ts";

const fixed = { podCidrPerNode: false, nativeRouting: false, ownsCni: true, fixedDatapath: true };

export const cloudConfigurations: readonly Wrong[] = [
  ...on("eks", [
    [
      "BPF masquerade without masquerading",
      { bpf: { masquerade: true } },
      "bpf.masquerade",
      /refuses to start/,
      /enableIPv4Masquerade to true/,
    ],
    ["IPv6 on AWS' interfaces", { ipv6: { enabled: true } }, "ipv6.enabled", /IPv4 only/, /mode "overlay"/],
    [
      "a tunnel for AWS' addresses",
      { routingMode: "tunnel" },
      "routingMode",
      /the cloud's own network/,
      /mode "overlay"/,
    ],
    [
      "pod networks that AWS does not give",
      { mode: "overlay", ipam: { mode: "kubernetes" } },
      "ipam.mode",
      /in mode "overlay"/,
      /leave it out/,
    ],
    [
      "an interface mode without its addresses",
      { eni: { enabled: false } },
      "eni.enabled",
      /go together/,
      /leave it out/,
    ],
    [
      "DSR by IP option in a cloud",
      { loadBalancer: { mode: "dsr" } },
      "loadBalancer.mode",
      /a cloud's network drops/,
      /"snat"/,
    ],
    [
      "conntrack left out in a managed cluster",
      { installNoConntrackIptablesRules: true },
      "installNoConntrackIptablesRules",
      /managed or chained/,
      /leave it out/,
    ],
    [
      "an exclusive plugin in a chain",
      { mode: "chaining", cni: { exclusive: true } },
      "cni.exclusive",
      /out of the way/,
      /set it to false/,
    ],
    [
      "a masquerade in a chain",
      { mode: "chaining", enableIPv4Masquerade: true },
      "enableIPv4Masquerade",
      /masquerades itself/,
      /set it to false/,
    ],
    [
      "a BPF masquerade in a chain",
      { mode: "chaining", bpf: { masquerade: true } },
      "bpf.masquerade",
      /masquerades itself/,
      /set it to false/,
    ],
    [
      "a chain to no plugin",
      { mode: "chaining", ...helm({ cni: { chainingMode: "none" } }) },
      "helmValues.cni.chainingMode",
      /in mode "chaining"/,
      /"aws-cni"/,
    ],
    [
      "a health port that no cloud asks",
      { kubeProxyReplacementHealthzBindAddr: "0.0.0.0:10250" },
      "kubeProxyReplacementHealthzBindAddr",
      /port 10256/,
      /leave it out/,
    ],
    ["a misspelled cloud mode", { mode: "eni-masquerade" }, "mode", /"chaining"/, /did you mean "eni-masquerading"\?/],
  ]),
  ...on("eks", [["Auto Mode or Fargate", {}, "engine", /admits no other/, /leave Datapath out/]], {
    capabilities: fixed,
  }),
  ...on("gke", [
    [
      "XDP on Google's machines",
      { loadBalancer: { acceleration: "native" } },
      "loadBalancer.acceleration",
      /no device/,
      /"disabled"/,
    ],
    [
      "plugins where GKE does not look",
      { cni: { binPath: "/opt/cni/bin" } },
      "cni.binPath",
      /\/home\/kubernetes\/bin/,
      /leave it out/,
    ],
    [
      "GKE's routing turned off",
      helm({ gke: { enabled: false } }),
      "helmValues.gke.enabled",
      /not true on GKE/,
      /leave it out/,
    ],
  ]),
  ...on("gke", [["Dataplane V2", {}, "engine", /admits no other/, /leave Datapath out/]], { capabilities: fixed }),
  ...on("gke", [["a platform without values", {}, "cluster.platform", /"aks"/, /bare-metal, eks and gke/]], {
    platform: "aks",
  }),
];
