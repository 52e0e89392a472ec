// SPDX-License-Identifier: Apache-2.0
// Runs one simulated cluster's etcd and API server, and its cloud controller; ends them when it is told to, or the account goes.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { program } from "../../fixtures/programs.ts";
import { type ServerProcess, startServer } from "../../fixtures/server-process.ts";
import { Account } from "../account.ts";
import { ApiClient } from "./api-client.ts";
import { planOf } from "./cluster.ts";
import { tendLoadBalancers } from "./load-balancers.ts";

const [directory = "", address = ""] = process.argv.slice(2);
const account = new Account(join(directory, "../.."));
const plan = planOf(directory);
const inDirectory = (name: string): string => join(directory, name);

const writeWhole = (name: string, content: object): void => {
  writeFileSync(inDirectory(`${name}.new`), JSON.stringify(content), { mode: 0o600 });
  renameSync(inDirectory(`${name}.new`), inDirectory(name));
};

/** Starts etcd and the API server on `address`: a cluster whose nodes are hollow has no more than these. */
const startControlPlane = (): ServerProcess[] => {
  const token = crypto.randomUUID();
  const key = inDirectory("service-accounts.key");
  execFileSync("openssl", ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key]);
  writeFileSync(inDirectory("tokens.csv"), `${token},admin,1,system:masters\n`, { mode: 0o600 });
  writeWhole("credential.json", { token });
  const etcd = startServer(program("etcd"), [
    `--data-dir=${inDirectory("etcd")}`,
    `--listen-client-urls=http://${address}:2379`,
    `--advertise-client-urls=http://${address}:2379`,
    `--listen-peer-urls=http://${address}:2380`,
    `--initial-advertise-peer-urls=http://${address}:2380`,
    `--initial-cluster=default=http://${address}:2380`,
    "--unsafe-no-fsync",
    "--log-level=error",
  ]);
  const apiServer = startServer(program("kube-apiserver"), [
    `--etcd-servers=http://${address}:2379`,
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    "--endpoint-reconciler-type=none",
    "--secure-port=443",
    `--cert-dir=${directory}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${key}`,
    `--service-account-signing-key-file=${key}`,
    `--token-auth-file=${inDirectory("tokens.csv")}`,
    "--authorization-mode=RBAC",
    `--service-cluster-ip-range=${plan.serviceCidr}`,
    "--disable-admission-plugins=ServiceAccount",
    // As in every cloud: CNI plugins and datapaths are privileged Pods.
    "--allow-privileged=true",
  ]);
  return [etcd, apiServer];
};

const lives = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const servers = address === "" ? [] : startControlPlane();
let ending = false;
process.once("SIGTERM", () => {
  ending = true;
});

const publishEndpoint = (): void => {
  const certificate = inDirectory("apiserver.crt");
  if (address === "" || existsSync(inDirectory("endpoint.json")) || !existsSync(certificate)) return;
  writeWhole("endpoint.json", { host: address, port: 443, certificateAuthority: readFileSync(certificate, "utf8") });
};

try {
  // The account's folder and its owner are the cluster's life: a test that was killed leaves nothing running.
  while (!ending && existsSync(inDirectory("plan.json")) && lives(account.settings.owner)) {
    const dead = servers.find(({ child }) => child.exitCode !== null);
    if (dead !== undefined) throw new Error(`${dead.child.spawnfile} ended:\n${dead.log()}`);
    publishEndpoint();
    const client = ApiClient.of(directory);
    const ready = client !== undefined && (await client.send("GET", "/readyz").catch(() => undefined))?.status === 200;
    // As any controller: what fails is said, and tried again in the next round.
    if (ready) await tendLoadBalancers(account, plan.surroundings, client).catch(console.error);
    await delay(ready ? 500 : 100);
  }
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  for (const server of servers.reverse()) await server.end("SIGKILL");
  if (existsSync(directory)) writeFileSync(inDirectory("attendant.ended"), "");
}
