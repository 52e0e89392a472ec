// SPDX-License-Identifier: Apache-2.0
// Inputs of a sound bare-metal cluster, for tests to spoil one at a time.

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BareMetalClusterArgs, BareMetalHostArgs } from "../../components/index.ts";

export const privateKey = [
  "-----BEGIN OPENSSH PRIVATE KEY-----",
  "THE-SSH-KEY",
  "-----END OPENSSH PRIVATE KEY-----",
  "",
].join("\n");
export const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJ";

export function host(name: string, lastOctet: number): BareMetalHostArgs {
  return {
    name,
    role: name.startsWith("cp") ? "control-plane" : "worker",
    address: `10.89.0.${lastOctet}`,
    hostKey,
  };
}

export const controlPlane: BareMetalHostArgs = host("cp-1", 11);
export const worker: BareMetalHostArgs = host("worker-1", 21);

/** A sound cluster with some of its inputs replaced. */
export function args(changes: Partial<BareMetalClusterArgs> = {}): BareMetalClusterArgs {
  return { hosts: [controlPlane, worker, host("worker-2", 22)], privateKey, ...changes };
}

/** A bundle folder with small files and a true manifest. */
export function makeBundle(kubernetesVersion = "v1.36.3"): string {
  const folder = mkdtempSync(join(tmpdir(), "sansproxy-bundle-"));
  mkdirSync(join(folder, "images"));
  const file = (path: string, roles: string[], images?: string[]) => {
    const content = `content of ${path}`;
    writeFileSync(join(folder, path), content);
    return { path, sha256: createHash("sha256").update(content).digest("hex"), roles, ...(images && { images }) };
  };
  const files = [
    file("bin.tar.gz", ["control-plane", "worker"]),
    file("images/etcd.tar.gz", ["control-plane"], ["registry.k8s.io/etcd:3.6.8-0"]),
    file("images/agent.tar.gz", ["control-plane", "worker"], ["ghcr.io/sansproxy/agent:0.1.0"]),
  ];
  writeFileSync(join(folder, "manifest.json"), JSON.stringify({ kubernetesVersion, files }));
  return folder;
}
