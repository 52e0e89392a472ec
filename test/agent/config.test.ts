// SPDX-License-Identifier: Apache-2.0
// Checks that a good configuration is understood and that each bad one is refused by the name of its property.

import { expect, test } from "vitest";
import { ConfigError, parseConfig, readConfig } from "../../agent/config.ts";

const good = { k8sServiceHost: "192.0.2.10", ipv4NativeRoutingCIDR: "10.244.0.0/16" };

test("understands the values of the chart", () => {
  const values = {
    ...good,
    k8sServicePort: 443,
    devices: "eth0, eth1",
    "nodePort.range": "20000-21000",
    "nodePort.addresses": "192.168.10.0/24 2001:DB8:10::/64",
    "bpf.root": "/bpf",
    "socketLB.bypassRuntimeClasses": "kata gvisor",
    ipv6NativeRoutingCIDR: "fd00:244::/48",
    "ipMasqAgent.config.nonMasqueradeCIDRs": "192.168.0.0/16 2001:DB8::/32",
    "loadBalancer.algorithm": "maglev",
    "loadBalancer.acceleration": "best-effort",
  };
  expect(parseConfig({ ...values, kubeProxyReplacementHealthzBindAddr: "[::]:9999" }, { nodeName: "node-1" })).toEqual({
    apiServer: { host: "192.0.2.10", port: 443 },
    nodeName: "node-1",
    socketLb: true,
    bypassRuntimeClasses: ["kata", "gvisor"],
    terminatePodConnections: false,
    masquerade: [4, 6],
    autoDirectNodeRoutes: false,
    nativeRoutingCidrs: ["10.244.0.0/16", "fd00:244::/48"],
    nonMasqueradeCidrs: ["192.168.0.0/16", "2001:db8::/32"],
    devices: ["eth0", "eth1"],
    nodePortRange: { first: 20_000, last: 21_000 },
    nodePortCidrs: ["192.168.10.0/24", "2001:db8:10::/64"],
    bindProtection: true,
    http: { host: "::", port: 9999 },
    kubeProxyHttp: { host: "127.0.0.1", port: 10_249 },
    cni: { install: true, confPath: "/etc/cni/net.d", binPath: "/opt/cni/bin" },
    cgroupRoot: "/sys/fs/cgroup",
    bpfRoot: "/bpf",
    mapMemoryRatio: 0.02,
    balancing: { algorithm: "maglev", maglevTableSize: 16_381, mode: "snat" },
    acceleration: "best-effort",
    debug: false,
  });
});

const bad: [property: string, values: Record<string, unknown>, said: string][] = [
  ["bpf.masqerade", { "bpf.masqerade": true }, "is not a value this agent knows"],
  ["kubeProxyReplacement", { kubeProxyReplacement: false }, "must be true"],
  ["kubeProxyReplacement", { kubeProxyReplacement: "true" }, "must be a boolean"],
  ["k8sServiceHost", { k8sServiceHost: "" }, "without any Service"],
  ["k8sServicePort", { k8sServicePort: 70_000 }, "must be a port"],
  ["ipam.mode", { "ipam.mode": "cluster-pool" }, 'must be "kubernetes"'],
  ["routingMode", { routingMode: "tunnel" }, 'must be "native"'],
  ["ipv4NativeRoutingCIDR", { ipv4NativeRoutingCIDR: "" }, "so that traffic between pods is not masqueraded"],
  ["ipv4NativeRoutingCIDR", { ipv4NativeRoutingCIDR: "10.244.0.0/33" }, "must be an IPv4 network"],
  ["ipv6NativeRoutingCIDR", { ipv6NativeRoutingCIDR: "10.244.0.0/16" }, "must be an IPv6 network"],
  [
    "ipMasqAgent.config.nonMasqueradeCIDRs",
    { "ipMasqAgent.config.nonMasqueradeCIDRs": "10.0.0.0/8 192.168.0.0" },
    "must be an IP network",
  ],
  ["bpf.masquerade", { "bpf.masquerade": false }, "no iptables masquerade"],
  ["bpf.masquerade", { "bpf.masquerade": false, enableIPv4Masquerade: false }, "with enableIPv6Masquerade"],
  ["nodePort.range", { "nodePort.range": "32767,30000" }, "the lower one first"],
  ["nodePort.range", { "nodePort.range": "30000" }, "two ports"],
  ["nodePort.addresses", { "nodePort.addresses": "192.168.10.0/24 192.168.11.1" }, "must be an IP network such as"],
  ["kubeProxyReplacementHealthzBindAddr", { kubeProxyReplacementHealthzBindAddr: "10256" }, "address and port"],
  ["metricsBindAddress", { metricsBindAddress: "localhost:10249" }, "address and port"],
  ["bpf.mapDynamicSizeRatio", { "bpf.mapDynamicSizeRatio": 0 }, "above 0"],
  ["loadBalancer.acceleration", { "loadBalancer.acceleration": "xdp" }, "disabled, native, best-effort"],
  ["loadBalancer.algorithm", { "loadBalancer.algorithm": "leastconn" }, '"random" or "maglev"'],
  ["loadBalancer.mode", { "loadBalancer.mode": "DSR" }, '"snat", "dsr" or "hybrid"'],
  ["loadBalancer.mode", { "loadBalancer.mode": "dsr", autoDirectNodeRoutes: true }, 'algorithm "maglev"'],
  ["loadBalancer.mode", { "loadBalancer.mode": "hybrid", "loadBalancer.algorithm": "maglev" }, "autoDirectNodeRoutes"],
  ["maglev.tableSize", { "maglev.tableSize": 16_384 }, "one of the primes"],
  ["cgroup.hostRoot", { "cgroup.hostRoot": "sys/fs/cgroup" }, "absolute path"],
];

test.each(bad)("refuses a bad %s, naming it: %j", (property, values, said) => {
  const parse = () => parseConfig({ ...good, ...values }, { nodeName: "node-1" });
  expect(parse).toThrow(ConfigError);
  expect(parse).toThrow(`${property} = `);
  expect(parse).toThrow(said);
});

test("masquerades each family by its own switch, and needs no CIDR where IPv4 is not", () => {
  const only6 = { k8sServiceHost: "h", enableIPv4Masquerade: false };
  expect(parseConfig(only6, { nodeName: "node-1" }).masquerade).toEqual([6]);
  expect(parseConfig({ ...good, enableIPv6Masquerade: false }, { nodeName: "node-1" }).masquerade).toEqual([4]);
  const none = { ...only6, enableIPv6Masquerade: false, "bpf.masquerade": false };
  expect(parseConfig(none, { nodeName: "node-1" }).masquerade).toEqual([]);
});

test("takes the API server's host from its surroundings only when the configuration has none", () => {
  const { k8sServiceHost: _, ...withoutHost } = good;
  const around = { nodeName: "node-1", apiServerHost: "192.0.2.99" };
  expect(parseConfig(withoutHost, around).apiServer.host).toBe("192.0.2.99");
  expect(parseConfig(good, around).apiServer.host).toBe("192.0.2.10");
  expect(() => parseConfig(withoutHost, { nodeName: "node-1" })).toThrow("without any Service");
});

test("refuses to start without a node's name or a file", () => {
  expect(() => parseConfig(good, { nodeName: undefined })).toThrow("spec.nodeName");
  expect(() => readConfig("/nonexistent.json", { nodeName: "n" })).toThrow("mount the agent's ConfigMap");
});
