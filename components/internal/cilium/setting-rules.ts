// SPDX-License-Identifier: Apache-2.0
// The rules for what stands beside Cilium's values: platform, mode, version, chart, API server.

import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { parse } from "yaml";
import { contains, parseCidr } from "../cidr.ts";
import type { Values } from "../datapath-rules.ts";
import type { InputProblem } from "../input-errors.ts";
import { nearestName } from "../nearest-name.ts";
import { type CiliumSetting, platformModes, tunedVersion } from "./modes.ts";

const problem = (propertyPath: string, reason: string): InputProblem[] => [{ propertyPath, reason }];

export function fixedDatapathRule(_values: Values, { cluster }: CiliumSetting): InputProblem[] {
  if (cluster.capabilities.fixedDatapath !== true) return [];
  return problem(
    "engine",
    `is "cilium", and this cluster's platform (${cluster.platform}) runs its nodes with a datapath of its own and admits no other, as EKS Auto Mode, Fargate, GKE Autopilot and Dataplane V2 do; leave Datapath out, or create the cluster with nodes of your own.`,
  );
}

export function modeRule(_values: Values, { cluster, mode }: CiliumSetting): InputProblem[] {
  const modes = platformModes(cluster.platform);
  if (modes.length === 0) {
    return problem(
      "cluster.platform",
      `is "${cluster.platform}"; Cilium's values are made for bare-metal, eks and gke.`,
    );
  }
  if (modes.includes(mode)) return madeForRule(cluster, mode);
  const near = nearestName(mode, modes);
  return problem(
    "mode",
    `is "${mode}", and Cilium on ${cluster.platform} has the modes ${modes.map((name) => `"${name}"`).join(", ")}; ${near === undefined ? "use one of these." : `did you mean "${near}"?`}`,
  );
}

/** Nodes, permissions and add-ons of a cluster are made for one mode. */
function madeForRule({ capabilities }: CiliumSetting["cluster"], mode: string): InputProblem[] {
  const made = capabilities.mode;
  if (made === undefined || made === mode || (made === "eni" && mode === "eni-masquerading")) return [];
  return problem(
    made === "agent" ? "engine" : "mode",
    made === "agent"
      ? 'is "cilium", and the cluster was made for mode "agent"; use the engine "agent", or make the cluster in mode "chaining".'
      : `is "${mode}", and the cluster was made for mode "${made}"; make the two agree.`,
  );
}

export function nativeSegmentRule(_values: Values, { cluster, mode }: CiliumSetting): InputProblem[] {
  if (cluster.platform !== "bare-metal" || mode !== "native" || cluster.capabilities.nativeRouting) return [];
  return problem(
    "mode",
    'is "native", and the cluster\'s nodes do not share a network segment; use "tunnel" or leave it out.',
  );
}

export function versionRule(_values: Values, { version }: CiliumSetting): InputProblem[] {
  const match = /^(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?$/.exec(version);
  if (match === null) {
    return problem(
      "version",
      `is "${version}", and a chart is installed by one exact version, so that every update installs the same; write it as "${tunedVersion}".`,
    );
  }
  if (Number(match[1]) === 1 && Number(match[2]) >= 20) return [];
  return problem(
    "version",
    `is "${version}", and the values are made for charts from 1.20.0 on; use "${tunedVersion}".`,
  );
}

/** The version that a folder with a chart says it has. */
function folderVersion(folder: string): string | undefined {
  const file = join(folder, "Chart.yaml");
  if (!existsSync(file)) return undefined;
  const version = (parse(readFileSync(file, "utf8")) as { version?: unknown } | null)?.version;
  return version === undefined ? undefined : String(version);
}

/** The version in the name that Helm gives an archive: NAME-VERSION.tgz. */
function archiveVersion(file: string): string | undefined {
  return /-(\d+\.\d+\.\d+(?:[-+].+)?)\.(?:tgz|tar\.gz)$/.exec(basename(file))?.[1];
}

export function chartSourceRule(_values: Values, { chartSource, version }: CiliumSetting): InputProblem[] {
  const path = "chartSource";
  if (/^(https|oci):\/\/[^/\s]+(\/\S*)?$/.test(chartSource)) return [];
  if (/^\w+:\/\//.test(chartSource)) {
    return problem(
      path,
      `is "${chartSource}"; a chart comes from a repository (https://...), a registry (oci://...), or a local folder or archive.`,
    );
  }
  if (!existsSync(chartSource)) {
    return problem(
      path,
      `is "${chartSource}", and there is no such folder or archive; write https://..., oci://..., or the path of the unpacked chart.`,
    );
  }
  const isFolder = statSync(chartSource).isDirectory();
  if (!isFolder && !/\.(tgz|tar\.gz)$/.test(chartSource)) {
    return problem(path, `is "${chartSource}", which is neither a folder nor a .tgz archive; name one of these.`);
  }
  const found = isFolder ? folderVersion(chartSource) : archiveVersion(chartSource);
  if (isFolder && found === undefined)
    return problem(
      path,
      `is "${chartSource}", a folder with no Chart.yaml that says its version; name the chart's own folder.`,
    );
  if (found === undefined || found === version) return [];
  return problem(
    path,
    `is "${chartSource}", a chart of version ${found}, and version is "${version}"; make them agree.`,
  );
}

export function apiServerHostRule(_values: Values, { cluster }: CiliumSetting): InputProblem[] {
  const host = cluster.apiServerHost;
  const path = "cluster.apiServerHost";
  if (host === undefined) return [];
  if (host === "") {
    return problem(
      path,
      "is empty, and without it agent and operator wait for each other for ever; give the address that a node reaches with no Service routing.",
    );
  }
  if (host === "auto") {
    return problem(
      path,
      'is "auto", which looks into the running cluster and so cannot be previewed; give the address itself.',
    );
  }
  if (!/^[0-9A-Za-z.:-]+$/.test(host) || host.includes("://")) {
    return problem(path, `is "${host}"; write the host alone, without scheme, port and path.`);
  }
  const services = (cluster.serviceCidrs ?? []).find((text) => {
    const network = parseCidr(text);
    return network !== undefined && contains(network, host);
  });
  if (services === undefined) return [];
  return problem(
    path,
    `is "${host}", an address of a Service (${services}), which only answers once Cilium runs; give the API server's own address.`,
  );
}

export function apiServerPortRule(_values: Values, { cluster }: CiliumSetting): InputProblem[] {
  const port = cluster.apiServerPort;
  if (port === undefined || (Number.isInteger(port) && port >= 1 && port <= 65535)) return [];
  return problem("cluster.apiServerPort", `is ${port}, which is not a port; use a whole number from 1 to 65535.`);
}
