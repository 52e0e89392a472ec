// SPDX-License-Identifier: Apache-2.0
// Wrong choices of chart, version, mode and the names of values.

import { helm, on, type Row, typed, type Wrong } from "./row.ts";

const installation: Row[] = [
  [
    "a misspelled value",
    helm({ k8sServicehost: "10.0.0.1" }),
    "helmValues.k8sServicehost",
    /ignore it silently/,
    /did you mean "k8sServiceHost"\?/,
  ],
  [
    "a misspelled value inside another",
    helm({ bpf: { masquerad: true } }),
    "helmValues.bpf.masquerad",
    /ignore it silently/,
    /did you mean "masquerade"\?/,
  ],
  [
    "a value at the wrong place",
    helm({ hostNamespaceOnly: true }),
    "helmValues.hostNamespaceOnly",
    /knows no value/,
    /did you mean "socketLB\.hostNamespaceOnly"\?/,
  ],
  [
    "a flag of the agent's as a value",
    helm({ "bpf-lb-service-map-max": "1" }),
    "helmValues.bpf-lb-service-map-max",
    /knows no value/,
    /extraConfig/,
  ],
  [
    "a misspelled option",
    typed({ routingmode: "native" }),
    "routingmode",
    /ignore it silently/,
    /did you mean "routingMode"\?/,
  ],
  [
    "a misspelled input",
    typed({ chartSorce: "oci://registry.example.com/charts/cilium" }),
    "chartSorce",
    /ignore it silently/,
    /did you mean "chartSource"\?/,
  ],
  [
    "a misspelled input that every engine has",
    typed({ timeoutSecond: 60 }),
    "timeoutSecond",
    /ignore it silently/,
    /did you mean "timeoutSeconds"\?/,
  ],
  [
    "a text for a flag",
    helm({ hubble: { enabled: "yes" } }),
    "helmValues.hubble.enabled",
    /which is string/,
    /as boolean/,
  ],
  [
    "a typed API server host",
    typed({ k8sServiceHost: "10.0.0.1" }),
    "k8sServiceHost",
    /derived from the cluster/,
    /leave it out/,
  ],
  [
    "a typed API server port",
    helm({ k8sServicePort: 443 }),
    "helmValues.k8sServicePort",
    /derived from the cluster/,
    /leave it out/,
  ],
  [
    "a second road to the API server",
    helm({ k8sServiceHostRef: { name: "a", key: "b" } }),
    "helmValues.k8sServiceHostRef",
    /derived from the cluster/,
    /leave it out/,
  ],
  ["a range of versions", { version: "^1.20.0" }, "version", /one exact version/, /"1\.20\.0"/],
  ["a version with a v", { version: "v1.20.0" }, "version", /one exact version/, /"1\.20\.0"/],
  [
    "a version before the tuned one",
    { version: "1.19.6", upgradeCompatibility: "1.19" },
    "version",
    /from 1\.20\.0 on/,
    /use "1\.20\.0"/,
  ],
  [
    "a chart by an open line",
    { chartSource: "http://charts.example.com" },
    "chartSource",
    /comes from a repository/,
    /oci:/,
  ],
  [
    "a chart that is not there",
    { chartSource: "./charts/cilium" },
    "chartSource",
    /no such folder/,
    /path of the unpacked chart/,
  ],
  [
    "a folder without a chart",
    { chartSource: "components" },
    "chartSource",
    /no Chart\.yaml/,
    /the chart's own folder/,
  ],
  [
    "a chart of another version",
    { chartSource: "agent/chart" },
    "chartSource",
    /and version is "1\.20\.0"/,
    /make them agree/,
  ],
  ["a mode of another platform", { mode: "overlay" }, "mode", /"native", "tunnel"/, /use one of these/],
  ["a misspelled mode", { mode: "nativ" }, "mode", /"native", "tunnel"/, /did you mean "native"\?/],
];

export const installationConfigurations: readonly Wrong[] = [...on("bare-metal", installation)];
