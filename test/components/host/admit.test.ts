// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHost, type Program } from "./fake-host.ts";

const [tokenId, tokenSecret] = ["abcdef", "0123456789abcdef"];
const secret = `bootstrap-token-${tokenId}`;
const worker = {
  JOIN_NAME: "worker-1",
  JOIN_ROLE: "worker",
  ADMIT_SECONDS: 0,
  TOKEN: `${tokenId}.${tokenSecret}`,
  UPLOAD_CERTS: "",
};
const controlPlane = { ...worker, JOIN_NAME: "cp-2", JOIN_ROLE: "control-plane", UPLOAD_CERTS: "certificateKey: k\n" };

/** An API server that keeps the tokens as files; the Node is what the file `node` says. */
const api: Program = {
  "*apply -f -": `cat >"$root/applied"; : >"$root/${secret}"`,
  [`*-n kube-system delete secret ${secret} --ignore-not-found`]: `rm -f "$root/${secret}"`,
  "*-n kube-system delete secret kubeadm-certs --ignore-not-found": 'rm -f "$root/kubeadm-certs"',
  "*get node * -l node-role.kubernetes.io/control-plane *": 'cat "$root/node"',
  "*get node *": 'cat "$root/node"',
  "*get pod kube-apiserver-cp-2 *": "",
};

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
  host.program("kubectl", api);
  host.program("kubeadm", { "init phase upload-certs *": ': >"$root/kubeadm-certs"' });
  host.write("/node");
});
afterEach(() => host.remove());

describe("the step admit", () => {
  it("gives no token to a host that is a Node already", async () => {
    host.write("/node", "worker-1=True");
    const { status, calls } = await host.run("admit", "create", worker);
    expect(status).toBe(0);
    expect(calls.filter((call) => !call.includes("get node"))).toEqual([]);
  });

  it("makes the token valid until the Node is registered, and withdraws it then", async () => {
    host.program("sleep", { "*": 'printf worker-1=False >"$root/node"' });
    const { status, stdout } = await host.run("admit", "create", { ...worker, ADMIT_SECONDS: 60 });
    expect(status).toBe(0);
    expect(host.read("/applied")).toContain(`token-secret: "${tokenSecret}"`);
    expect(stdout).toContain("is registered and its token is withdrawn");
    expect(host.has(`/${secret}`)).toBe(false);
  });

  it("does not take the Node of a host that is gone for a registered one", async () => {
    host.write("/node", "worker-1=Unknown");
    const { status, stderr } = await host.run("admit", "create", worker);
    expect(status).toBe(1);
    expect(stderr).toMatch(/worker-1 did not register as a Node within 0 seconds, and its token was withdrawn/);
  });

  it("withdraws token and certificates also when the host does not come", async () => {
    const { status, calls } = await host.run("admit", "create", controlPlane);
    expect(status).toBe(1);
    expect(calls.some((call) => call.startsWith("kubeadm init phase upload-certs"))).toBe(true);
    expect(host.has(`/${secret}`)).toBe(false);
    expect(host.has("/kubeadm-certs")).toBe(false);
    expect(host.has("/run/sansproxy/upload-certs.yaml")).toBe(false);
  });

  it("withdraws the token also when the certificates cannot be offered", async () => {
    host.program("kubeadm", { "init phase upload-certs *": "echo certificates are unwell; exit 1" });
    const { status, stderr } = await host.run("admit", "create", controlPlane);
    expect(status).toBe(1);
    expect(stderr).toMatch(/certificates are unwell[\s\S]*could not be offered to cp-2/);
    expect(host.has(`/${secret}`)).toBe(false);
    expect(host.has("/run/sansproxy/upload-certs.yaml")).toBe(false);
  });

  it("withdraws the token also when it is interrupted", async () => {
    host.program("sleep", { "*": 'kill -TERM "$(cat "$root/run/sansproxy/admit-worker-1")"' });
    const interrupted = await host.run("admit", "create", { ...worker, ADMIT_SECONDS: 60 });
    expect(interrupted.status).toBe(143);
    expect(host.read("/applied")).toContain(secret);
    expect(host.has(`/${secret}`)).toBe(false);
  });

  it("leaves the token to a newer update that has taken over", async () => {
    host.program("sleep", { "*": 'printf 1 >"$root/run/sansproxy/admit-worker-1"' });
    const { status, stderr } = await host.run("admit", "create", { ...worker, ADMIT_SECONDS: 60 });
    expect(status).toBe(1);
    expect(stderr).toContain("a newer update has taken over the admission of worker-1");
    expect(host.has(`/${secret}`)).toBe(true);
  });

  it("shows no secret when the API server refuses the token and repeats it", async () => {
    host.program("kubectl", { ...api, "*apply -f -": 'echo "error: invalid object: $(cat)" >&2; exit 1' });
    const { status, stdout, stderr } = await host.run("admit", "create", worker);
    expect(status).toBe(1);
    expect(stderr).toMatch(/invalid object[\s\S]*the join token for worker-1 could not be stored/);
    expect(stdout + stderr).not.toContain(tokenSecret);
  });

  it("puts no secret into a command line", async () => {
    const { calls } = await host.run("admit", "create", controlPlane);
    expect(calls.join("\n")).not.toContain(tokenSecret);
  });
});
