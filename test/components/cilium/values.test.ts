// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { mergeValues } from "../../../components/internal/agent-values.ts";
import { apiServerValues } from "../../../components/internal/api-server-values.ts";
import { keyProblems } from "../../../components/internal/cilium/known-keys.ts";
import { allModes, defaultMode } from "../../../components/internal/cilium/modes.ts";
import { ciliumProblems } from "../../../components/internal/cilium/rules.ts";
import { chosenCiliumValues } from "../../../components/internal/cilium/values.ts";
import { type Values, valueAt } from "../../../components/internal/datapath-rules.ts";
import { chartKeys, upstreamFolder, upstreamMissing, upstreamReason, upstreamSchema } from "./chart-keys.ts";
import { everyOption, load, platformOf, settingOf } from "./settings.ts";

/** Options that are right together in a mode, beside the tuned set. */
const goodOptions: [what: string, where: (platform: string, mode: string) => boolean, options: Values][] = [
  ["nothing", () => true, {}],
  ["another NodePort range", () => true, { nodePort: { range: "31000,31999" } }],
  ["no topology", () => true, { loadBalancer: { serviceTopology: false } }],
  ["an own taint", () => true, { agentNotReadyTaintKey: "ignore-taint.cluster-autoscaler.kubernetes.io/cilium" }],
  ["preallocated maps of a chosen size", () => true, { bpf: { lbMapMax: 262144, preallocateMaps: true } }],
  [
    "Gateway API with sockets on the host only",
    () => true,
    { gatewayAPI: { enabled: true }, socketLB: { hostNamespaceOnly: true } },
  ],
  ["SNAT and random", (platform) => platform === "bare-metal", { loadBalancer: { mode: "snat", algorithm: "random" } }],
  ["hybrid", (_, mode) => mode === "native", { loadBalancer: { mode: "hybrid" } }],
  [
    "DSR by Geneve",
    (_, mode) => mode === "tunnel",
    { tunnelProtocol: "geneve", loadBalancer: { mode: "dsr", dsrDispatch: "geneve" } },
  ],
  ["Geneve", (_, mode) => mode === "overlay" || mode === "tunnel", { tunnelProtocol: "geneve" }],
  ["XDP where it works", (platform) => platform !== "gke", { loadBalancer: { acceleration: "best-effort" } }],
  ["prefix delegation", (_, mode) => mode.startsWith("eni"), { eni: { awsEnablePrefixDelegation: true } }],
  [
    "no masquerading at all",
    (_, mode) => mode === "native" || mode === "tunnel",
    { enableIPv4Masquerade: false, bpf: { masquerade: false } },
  ],
  ["large Maglev tables", () => true, { loadBalancer: { algorithm: "maglev" }, maglev: { tableSize: 65521 } }],
];

const sets = allModes.flatMap(([platform, mode]) =>
  goodOptions
    .filter(([, where]) => where(platform, mode))
    .map(([what, , options]) => [platform, mode, what, options] as const),
);

function effective(platform: string, mode: string, options: Values = {}, helmValues: Values = {}): Values {
  const setting = settingOf(platform, mode);
  const { host, port } = platformOf(platform);
  const api = platform === "bare-metal" ? { host, port } : { port };
  return { ...chosenCiliumValues(setting, options, helmValues), ...apiServerValues("cilium", api) };
}

describe("Cilium's values", () => {
  it.each(allModes)("on %s in mode %s are those that a person approved", async (platform, mode) => {
    await expect(stringify(effective(platform, mode), { sortMapEntries: true })).toMatchFileSnapshot(
      `./golden/${platform}-${mode}.yaml`,
    );
  });

  it.each(sets)("on %s in mode %s with %s break no rule", (platform, mode, _what, options) => {
    expect(ciliumProblems(settingOf(platform, mode), options, {})).toEqual([]);
    expect(ciliumProblems(settingOf(platform, mode), {}, options)).toEqual([]);
  });

  it.each(sets)("on %s in mode %s with %s hold the seed values", (platform, mode, _what, options) => {
    const values = effective(platform, mode, options);
    expect(values).toMatchObject({
      kubeProxyReplacement: true,
      socketLB: { enabled: true },
      kubeProxyReplacementHealthzBindAddr: "0.0.0.0:10256",
    });
    expect(Number(values["k8sServicePort"])).toBeGreaterThan(0);
    expect(values["k8sServiceHost"] === undefined).not.toBe(values["k8sServiceHostRef"] === undefined);
  });

  it.each(allModes)("on %s in mode %s masquerade by BPF exactly where anything is masqueraded", (platform, mode) => {
    const values = effective(platform, mode);
    expect(valueAt(values, "bpf.masquerade")).toBe(values["enableIPv4Masquerade"]);
    expect(values["enableIPv4Masquerade"]).toBe(mode !== "eni" && mode !== "chaining");
  });

  it("size the Service maps by the expected load, and the operator by the nodes", () => {
    const setting = settingOf("bare-metal", "native", { load: load({ services: 10000, endpoints: 100000, nodes: 1 }) });
    expect(chosenCiliumValues(setting, {}, {})).toMatchObject({ bpf: { lbMapMax: 262144 }, operator: { replicas: 1 } });
    const small = settingOf("bare-metal", "native", { load: load({ services: 10, endpoints: 100 }) });
    expect(valueAt(chosenCiliumValues(small, {}, {}), "bpf.lbMapMax")).toBeUndefined();
  });

  it.each([
    [8192, undefined],
    [8193, 32768],
    [20000, 65536],
  ])("size the table of nodes for %d nodes", (nodes, nodeMapMax) => {
    const setting = settingOf("bare-metal", "native", { load: load({ nodes }) });
    const values = chosenCiliumValues(setting, {}, {});
    expect(valueAt(values, "bpf.nodeMapMax")).toBe(nodeMapMax);
    expect(valueAt(values, "bpf.masquerade")).toBe(true);
    expect(ciliumProblems(setting, {}, {})).toEqual([]);
  });

  it.each([
    [1, undefined],
    [163, undefined],
    [164, 32749],
    [1310, 131071],
    [5000, 131071],
  ])("size Maglev's tables for %d endpoints of a Service", (endpoints, tableSize) => {
    const setting = settingOf("bare-metal", "native", { load: load({ services: 2, endpoints: 2 * endpoints }) });
    expect(valueAt(chosenCiliumValues(setting, {}, {}), "maglev.tableSize")).toBe(tableSize);
    expect(ciliumProblems(setting, {}, {})).toEqual([]);
  });

  it("may have small Maglev tables where no Service is served by them", () => {
    const setting = settingOf("bare-metal", "tunnel", { load: load({ services: 2, endpoints: 2000 }) });
    expect(ciliumProblems(setting, { maglev: { tableSize: 251 } }, {})).toEqual([]);
  });

  it("take options over the tuned set, and Helm values over both, key by key", () => {
    const values = effective(
      "bare-metal",
      "native",
      { loadBalancer: { algorithm: "random", mode: "hybrid" } },
      { loadBalancer: { mode: "snat" }, prometheus: { enabled: true } },
    );
    expect(values).toMatchObject({
      loadBalancer: { algorithm: "random", mode: "snat", acceleration: "best-effort", serviceTopology: true },
      prometheus: { enabled: true },
    });
  });

  it("keep every Helm value that was written, whatever it is", () => {
    const tree = fc.letrec<{ tree: Values }>((tie) => ({
      tree: fc.dictionary(
        fc.constantFrom("bpf", "cni", "masquerade", "ipam", "mode", "enabled"),
        fc.oneof({ maxDepth: 3 }, fc.boolean(), fc.integer(), fc.string(), tie("tree")),
      ) as fc.Arbitrary<Values>,
    })).tree;
    fc.assert(
      fc.property(fc.constantFrom(...allModes), tree, ([platform, mode], helmValues) => {
        const chosen = chosenCiliumValues(settingOf(platform, mode), {}, helmValues);
        expect(mergeValues(chosen, helmValues)).toEqual(chosen);
        expect(chosen).toMatchObject(helmValues);
      }),
    );
  });

  it.each([
    ["bare-metal", { podCidrPerNode: true, nativeRouting: true, ownsCni: false }, "native"],
    ["bare-metal", { podCidrPerNode: true, nativeRouting: false, ownsCni: false }, "tunnel"],
    ["eks", { podCidrPerNode: false, nativeRouting: false, ownsCni: false }, "eni"],
    ["eks", { podCidrPerNode: false, nativeRouting: false, ownsCni: true }, "chaining"],
    ["gke", { podCidrPerNode: true, nativeRouting: false, ownsCni: true }, "self-managed"],
  ])("are on %s with %j those of mode %3$s", (platform, capabilities, mode) => {
    expect(defaultMode({ platform, capabilities })).toBe(mode);
  });
});

describe.skipIf(upstreamMissing)(
  `Cilium's values beside the upstream chart${upstreamMissing ? ` (${upstreamReason})` : ""}`,
  () => {
    const validate = () => new Ajv({ strict: false, allErrors: true }).compile(upstreamSchema());
    const everySet: (readonly [string, Values])[] = [
      ...sets.map(
        ([platform, mode, what, options]) =>
          [`${platform} ${mode} ${what}`, effective(platform, mode, options)] as const,
      ),
      ["every typed option", everyOption as unknown as Values],
    ];

    it("have only keys that values.yaml 1.20.0 has", () => {
      const keys = chartKeys();
      for (const [what, values] of everySet) expect(keyProblems("", values, keys), what).toEqual([]);
    });

    it("are valid by the chart's schema, alone and over the chart's defaults", () => {
      const valid = validate();
      const defaults = parse(readFileSync(join(upstreamFolder, "values-1.20.0.yaml"), "utf8")) as Values;
      expect(valid(defaults), JSON.stringify(valid.errors)).toBe(true);
      for (const [what, values] of everySet) {
        expect(valid(values), `${what}: ${JSON.stringify(valid.errors)}`).toBe(true);
        expect(valid(mergeValues(defaults, values)), `${what}: ${JSON.stringify(valid.errors)}`).toBe(true);
      }
    });

    it("would be refused by the schema when a type were wrong", () => {
      const valid = validate();
      expect(valid(mergeValues(effective("eks", "eni"), { eni: { enabled: "yes" } }))).toBe(false);
    });
  },
);
