// The cluster on your own servers: kubeadm by SSH, its datapath, and the proof.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import { BareMetalCluster, Datapath, Verification } from "sansproxy";
import { hosts } from "./hosts.ts";
import type { Image } from "./image.ts";

export function metal(engine: string, image: Image, config: pulumi.Config) {
  const keyFile = (config.get("sshPrivateKeyFile") ?? "~/.ssh/id_ed25519").replace(/^~(?=\/)/, homedir());
  const control = new BareMetalCluster("metal", {
    hosts: hosts.map((host) => ({ user: config.get("sshUser") ?? "root", ...host })),
    privateKey: pulumi.secret(readFileSync(keyFile, "utf8")),
  });
  const { cluster } = control;
  // What lives inside the cluster goes with it.
  const datapath = new Datapath(
    "metal-datapath",
    { cluster, engine, ...(engine === "agent" && { image }) },
    { deletedWith: control },
  );
  const { effectiveValues } = datapath;
  const verification = new Verification(
    "metal-verification",
    { cluster, effectiveValues, datapath: engine, image: `${image.repository}:${image.tag}` },
    { dependsOn: [datapath] },
  );
  return { kubeconfig: control.kubeconfig, effectiveValues, verified: verification.table };
}
