// SPDX-License-Identifier: Apache-2.0
// A signed Debian repository of this stack's own Kubernetes programs, in the layout of Kubernetes' repository, with a way to Debian's.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

export interface PackageRepository {
  readonly url: string;
  readonly keyFingerprint: string;
  close(): Promise<void>;
}

/**
 * Serves packages `kubeadm`, `kubelet` and `kubectl` made of bundles' `bin.tar.gz`, given by version (such as `v1.36.3`).
 * Through its server machines reach their `distribution`, and no other host.
 */
export async function servePackages(
  archives: Readonly<Record<string, string>>,
  address: string,
  distribution: string,
): Promise<PackageRepository> {
  const folder = mkdtempSync(join(tmpdir(), "sansproxy-packages-"));
  const published = join(folder, "deb");
  mkdirSync(published);
  const index = Object.entries(archives).flatMap(([version, archive]) =>
    makePackages(folder, archive, `${version.slice(1)}-1.1`),
  );
  writeFileSync(join(published, "Packages"), index.join("\n"));
  const keyFingerprint = sign(folder, published);
  const server = await listen(published, address, distribution);
  return {
    url: `http://${address}:${(server.address() as AddressInfo).port}`,
    keyFingerprint,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      execFileSync("gpgconf", ["--homedir", join(folder, "gnupg"), "--kill", "all"]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Builds the packages of one version; gives their paragraphs of the index. */
function makePackages(folder: string, archive: string, version: string): string[] {
  const programs = join(folder, "programs");
  mkdirSync(programs);
  execFileSync("tar", ["-xzf", archive, "-C", programs]);
  const units = { "kubelet.service": "", "10-kubeadm.conf": "kubelet.service.d/" };
  const files = {
    kubeadm: { "usr/bin/kubeadm": "kubeadm" },
    kubectl: { "usr/bin/kubectl": "kubectl" },
    kubelet: {
      "usr/bin/kubelet": "kubelet",
      ...Object.fromEntries(
        Object.entries(units).map(([unit, at]) => [`usr/lib/systemd/system/${at}${unit}`, `systemd/${unit}`]),
      ),
    },
  };
  const paragraphs = Object.entries(files).map(([name, content]) =>
    makePackage(folder, programs, name, version, content),
  );
  rmSync(programs, { recursive: true });
  return paragraphs;
}

/** Builds one package; gives its paragraph of the index. */
function makePackage(
  folder: string,
  programs: string,
  name: string,
  version: string,
  content: Readonly<Record<string, string>>,
): string {
  const tree = join(folder, `${name}-tree`);
  const control = `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: tests <tests@invalid>\nDescription: ${name} for the tests\n`;
  for (const [path, source] of Object.entries(content)) {
    execFileSync("install", [
      "-D",
      "-m",
      source.includes("/") ? "0644" : "0755",
      join(programs, source),
      join(tree, path),
    ]);
  }
  mkdirSync(join(tree, "DEBIAN"));
  writeFileSync(join(tree, "DEBIAN/control"), control);
  const file = join(folder, "deb", `${name}_${version}_amd64.deb`);
  // Compression costs the most here and shows nothing.
  execFileSync("dpkg-deb", ["-Znone", "--root-owner-group", "--build", tree, file], { stdio: "pipe" });
  rmSync(tree, { recursive: true });
  const sha256 = createHash("sha256").update(readFileSync(file)).digest("hex");
  return `${control}Filename: ${basename(file)}\nSize: ${statSync(file).size}\nSHA256: ${sha256}\n`;
}

/** Signs the index with a key made for it, and publishes the key; gives its fingerprint. */
function sign(folder: string, published: string): string {
  const home = join(folder, "gnupg");
  mkdirSync(home, { mode: 0o700 });
  const gpg = (...args: string[]) =>
    execFileSync("gpg", ["--homedir", home, "--batch", "--quiet", "--passphrase", "", ...args], {
      encoding: "utf8",
      stdio: "pipe",
    });
  gpg("--quick-generate-key", "tests@invalid", "ed25519", "sign", "never");
  writeFileSync(join(published, "Release.key"), gpg("--armor", "--export"));
  const packages = readFileSync(join(published, "Packages"));
  const sha256 = createHash("sha256").update(packages).digest("hex");
  const release = `Date: ${new Date().toUTCString()}\nArchitectures: amd64\nSHA256:\n ${sha256} ${packages.length} Packages\n`;
  writeFileSync(join(folder, "Release"), release);
  gpg("--clearsign", "--output", join(published, "InRelease"), join(folder, "Release"));
  const fingerprint = /^fpr:*([0-9A-F]{40}):$/m.exec(gpg("--list-keys", "--with-colons"))?.[1];
  if (fingerprint === undefined) throw new Error("gpg made a key and does not say its fingerprint.");
  return fingerprint;
}

/** A server of the folder that is also the machines' proxy to their distribution, and to nothing else. */
async function listen(published: string, address: string, distribution: string): Promise<Server> {
  const server = createServer((asked, answer) => {
    const { pathname, protocol, hostname } = new URL(asked.url ?? "/", "file:///");
    if (protocol === "http:" && hostname === distribution) {
      const onward = request(asked.url ?? "", { headers: asked.headers }, (reply) => {
        answer.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.pipe(answer);
      });
      onward.once("error", (error) => answer.writeHead(502).end(error.message));
      onward.end();
      return;
    }
    const file = createReadStream(join(published, basename(pathname)));
    file.once("error", () => answer.writeHead(404).end());
    file.once("open", () => file.pipe(answer));
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, address, resolve));
  return server;
}
