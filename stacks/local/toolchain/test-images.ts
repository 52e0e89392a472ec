// SPDX-License-Identifier: Apache-2.0
// Makes the images that Kubernetes' network tests name beside agnhost: the same programs, packed from Debian and Go.

import { chmod, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { debianTree } from "../host/debian.ts";
import { run } from "../host/exec.ts";
import { writeImage } from "./archive.ts";
import { type Found, obtain } from "./build.ts";
import { cachedArchive, keyOf, place } from "./image-cache.ts";

export interface TestImage {
  /** The first name is in the archive; the others are given to the same image after its import. */
  readonly names: readonly [string, ...string[]];
  readonly file: string;
}

const registry = "registry.k8s.io";
const busybox = `${registry}/e2e-test-images/busybox:1.37.0-1`;
const regression = `${registry}/e2e-test-images/regression-issue-74839:1.4`;
/** Pods of the tests give the other two their command; nginx is started as it is. */
const debianNames = [
  `${registry}/e2e-test-images/nginx:1.15-4`,
  `${registry}/e2e-test-images/glibc-dns-testing:2.0.0`,
  `${registry}/build-image/distroless-iptables:v0.9.6`,
] as const;
const debianPackages = ["nginx-light", "dnsutils", "iptables", "nftables", "conntrack", "busybox-static"];
const nginx = ["/usr/sbin/nginx", "-g", "daemon off;"];

/** All of them, as archives in the cache. */
export async function testImages(): Promise<TestImage[]> {
  const debian = await makeDebian();
  return [
    { names: debianNames, file: debian },
    { names: [busybox], file: await makeBusybox(debian) },
    { names: [regression], file: await makeRegression() },
  ];
}

async function makeDebian(): Promise<string> {
  const [name] = debianNames;
  const key = await keyOf([], [...debianNames, ...debianPackages, ...nginx]);
  return await cachedArchive(name, key, async (tree, target, note) => {
    await rm(tree, { recursive: true });
    await debianTree(tree, debianPackages, note);
    await writeImage(tree, name, { entrypoint: [], command: nginx }, target);
  });
}

/** Debian's static busybox alone, with a link for each of its programs. */
async function makeBusybox(debian: string): Promise<string> {
  return await cachedArchive(busybox, await keyOf([debian], [busybox]), async (tree, target) => {
    const bin = join(tree, "bin");
    const program = join(bin, "busybox");
    await mkdir(bin, { recursive: true });
    const extract = `tar -xzOf "$1" layer.tar | tar -xOf - --wildcards '*bin/busybox' > "$2"`;
    await run("bash", ["-o", "pipefail", "-c", extract, "bash", debian, program]);
    await chmod(program, 0o755);
    for (const name of (await run(program, ["--list"])).trim().split("\n")) {
      if (name !== "busybox") await symlink("busybox", join(bin, name));
    }
    for (const folder of ["etc", "root", "tmp", "var"]) await mkdir(join(tree, folder));
    await writeFile(join(tree, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
    await writeFile(join(tree, "etc/group"), "root:x:0:\n");
    await writeFile(join(tree, "etc/nsswitch.conf"), "hosts: files dns\n");
    await writeImage(tree, busybox, { entrypoint: [], command: ["sh"] }, target);
  });
}

async function makeRegression(): Promise<string> {
  const programs = await obtain(["regression-issue-74839"]);
  const { path } = programs.get("regression-issue-74839") as Found;
  return await cachedArchive(regression, await keyOf([path], [regression]), async (tree, target) => {
    await place(path, join(tree, "regression-issue-74839"));
    await writeImage(tree, regression, { entrypoint: ["/regression-issue-74839"] }, target);
  });
}
