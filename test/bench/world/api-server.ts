// SPDX-License-Identifier: Apache-2.0
// A real API server with its etcd in a world's cluster namespace, in the place of the replayed one.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { obtain } from "../../../stacks/local/toolchain/build.ts";
import type { ProgramName } from "../../../stacks/local/toolchain/programs.ts";
import type { BenchWorld } from "./bench-world.ts";
import { API_PORT, API_SERVICE_NETWORK } from "./cluster-objects.ts";
import { LoggedProcess } from "./logged-process.ts";

const ETCD = "http://127.0.0.1:2379";

async function programs<Name extends ProgramName>(...names: Name[]): Promise<Record<Name, string>> {
  const found = await obtain(names);
  const paths = names.map((name) => {
    const path = found.get(name)?.path;
    if (path === undefined) throw new Error(`${name} could neither be found nor built`);
    return [name, path];
  });
  return Object.fromEntries(paths) as Record<Name, string>;
}

/** Starts both on what `data` holds, which is filled with the world's objects if it is empty; resolves with how long that took. */
export async function startApiServer(world: BenchWorld, data: string): Promise<{ readonly filledMs: number }> {
  const { etcd, "kube-apiserver": server } = await programs("etcd", "kube-apiserver");
  const { directory, cluster, cleanup } = world;
  const [side] = world.sides.values();
  if (side === undefined) throw new Error("a world without a node needs no API server");
  const start = (name: string, argv: readonly string[]) =>
    // The kernel ends it with the bench, however that ends.
    new LoggedProcess(
      name,
      join(directory, `${name}.log`),
      cluster,
      ["setpriv", "--pdeathsig", "KILL", "--", ...argv],
      cleanup,
    );
  start("etcd", [
    etcd,
    `--data-dir=${data}`,
    `--listen-client-urls=${ETCD}`,
    `--advertise-client-urls=${ETCD}`,
    "--listen-peer-urls=http://127.0.0.1:2380",
    "--unsafe-no-fsync",
    "--log-level=error",
  ]);
  const own = join(directory, "api-server");
  mkdirSync(own);
  const [key, tokens] = [join(own, "service-accounts.key"), join(own, "tokens.csv")];
  const bits = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
  execFileSync("openssl", ["genpkey", ...bits, "-out", key], { stdio: "ignore" });
  writeFileSync(tokens, "bench,bench,1,system:masters\n", { mode: 0o600 });
  start("kube-apiserver", [
    server,
    `--etcd-servers=${ETCD}`,
    "--bind-address=0.0.0.0",
    `--advertise-address=${side.apiAddress}`,
    "--endpoint-reconciler-type=none",
    `--secure-port=${API_PORT}`,
    `--tls-cert-file=${join(directory, "ca.crt")}`,
    `--tls-private-key-file=${join(directory, "key.pem")}`,
    `--cert-dir=${own}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${key}`,
    `--service-account-signing-key-file=${key}`,
    `--token-auth-file=${tokens}`,
    "--authorization-mode=RBAC",
    `--service-cluster-ip-range=${API_SERVICE_NETWORK}`,
    "--disable-admission-plugins=ServiceAccount",
  ]);
  const filler = [join(import.meta.dirname, "api-filler.ts"), directory, `https://${side.apiAddress}:${API_PORT}`];
  return await world.serveObjects(filler, [JSON.stringify(world.shape), JSON.stringify(world.nodes)]);
}
