// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHost } from "./fake-host.ts";

const pki = "/etc/kubernetes/pki";
const variables = {
  API_PORT: 6443,
  KUBEADM_INIT: "kind: InitConfiguration\n---\nkind: ClusterConfiguration\nclusterName: metal\n",
};
const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=kube-apiserver";

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
  host.write(`${pki}/ca.crt`);
  host.write(`${pki}/ca.key`);
  certify("DNS:kubernetes");
});
afterEach(() => host.remove());

function certify(names: string): void {
  const made = ["-keyout", host.path(`${pki}/apiserver.key`), "-out", host.path(`${pki}/apiserver.crt`)];
  execFileSync("openssl", [...request.split(" "), "-addext", `subjectAltName=${names}`, ...made], { stdio: "pipe" });
}

/** A kubeadm that makes the API server's certificate for these names, and an API server that serves what is in its folder. */
function clusterWith(names: string): void {
  host.program("kubeadm", {
    "init phase certs apiserver --config *": `folder=$(sed -n 's/^certificatesDir: //p' "$6")
    test -e "$folder/ca.crt" && test -e "$folder/ca.key"
    /usr/bin/openssl ${request} -addext "subjectAltName=${names}" -keyout "$folder/apiserver.key" -out "$folder/apiserver.crt" 2>/dev/null`,
    "init phase upload-config kubeadm --config *": 'cat "$6" >"$root/uploaded"',
  });
  host.program("openssl", {
    "s_client *": `cat "$root${pki}/apiserver.crt"`,
    "x509 *": '/usr/bin/openssl "$@"',
  });
}
const names = () =>
  execFileSync("openssl", ["x509", "-noout", "-ext", "subjectAltName", "-in", host.path(`${pki}/apiserver.crt`)], {
    encoding: "utf8",
  });

describe("the step certificate", () => {
  it("leaves a certificate alone that is for all the names", async () => {
    clusterWith("DNS:kubernetes");
    const before = host.read(`${pki}/apiserver.crt`);
    const { status, calls } = await host.run("certificate", "create", variables);
    expect(status).toBe(0);
    expect(host.read(`${pki}/apiserver.crt`)).toBe(before);
    expect(calls.some((call) => call.includes("upload-config"))).toBe(false);
  });

  it("makes another one when the names change, and tells the cluster, with the same configuration", async () => {
    clusterWith("DNS:kubernetes,DNS:api.example");
    const { status, stdout } = await host.run("certificate", "update", variables);
    expect(status).toBe(0);
    expect(stdout).toContain("DNS:api.example DNS:kubernetes");
    expect(names()).toContain("DNS:api.example");
    expect(host.read("/uploaded")).toBe(variables.KUBEADM_INIT);
  });

  it("takes a name out again", async () => {
    certify("DNS:kubernetes,DNS:api.example");
    clusterWith("DNS:kubernetes");
    expect((await host.run("certificate", "update", variables)).status).toBe(0);
    expect(names()).not.toContain("api.example");
  });

  it("leaves the cluster's configuration to the first control plane", async () => {
    clusterWith("DNS:kubernetes,DNS:api.example");
    const { status } = await host.run("certificate", "update", { ...variables, HOST_NAME: "cp-2", HOST_FIRST: "no" });
    expect(status).toBe(0);
    expect(names()).toContain("DNS:api.example");
    expect(host.has("/uploaded")).toBe(false);
  });

  it("keeps the certificate when kubeadm makes none, and leaves no copy of a key", async () => {
    host.program("kubeadm", { "*": "echo no entropy; exit 1" });
    const before = host.read(`${pki}/apiserver.crt`);
    const { status, stderr } = await host.run("certificate", "update", variables);
    expect(status).toBe(1);
    expect(stderr).toMatch(/no entropy[\s\S]*a certificate for the API server could not be made/);
    expect(host.read(`${pki}/apiserver.crt`)).toBe(before);
    expect(execFileSync("ls", [host.path("/etc/kubernetes")], { encoding: "utf8" })).toBe("pki\n");
  });

  it("says so when the API server goes on with the old one", async () => {
    clusterWith("DNS:kubernetes,DNS:api.example");
    host.program("seq", { "120": "echo 120" });
    host.program("openssl", { "s_client *": "", "x509 *": '/usr/bin/openssl "$@"' });
    const { status, stderr } = await host.run("certificate", "update", variables);
    expect(status).toBe(1);
    expect(stderr).toMatch(/did not take its new certificate within 120 seconds/);
  });
});
