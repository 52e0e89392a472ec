// SPDX-License-Identifier: Apache-2.0
import { symlinkSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHost } from "./fake-host.ts";

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
  host.program("modprobe", {
    "-qn overlay": "",
    "-q overlay": "",
    "-qn br_netfilter": "exit 1",
    "-qn nf_conntrack": "exit 1",
  });
  host.program("sysctl", { "-q -p *": "", "-q -n net.netfilter.*": "exit 255" });
});
afterEach(() => host.remove());

describe("the step prepare", () => {
  it("loads the modules that the kernel has, now and at every boot, and turns forwarding on", async () => {
    const { status, calls } = await host.call("prepare", "set_kernel", { HOST_IPV6: "" });
    expect(status).toBe(0);
    expect(calls).toContain("modprobe -q overlay");
    expect(host.read("/etc/modules-load.d/sansproxy.conf")).toBe("overlay\n");
    expect(host.read("/etc/sysctl.d/90-sansproxy.conf")).toBe("net.ipv4.ip_forward = 1\n");
  });

  it("forwards IPv6 too where the host has such an address, and goes on listening to its router", async () => {
    const answers = ["eth0.accept_ra = 1", "eth1.accept_ra = 0"].map((line) => `echo net.ipv6.conf.${line}`);
    host.program("sysctl", { "-q -p *": "", "-ar *": answers.join("; "), "-q -n net.netfilter.*": "exit 255" });
    expect((await host.call("prepare", "set_kernel", { HOST_IPV6: "fd00::21" })).status).toBe(0);
    expect(host.read("/etc/sysctl.d/90-sansproxy.conf")).toBe(
      "net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\nnet.ipv6.conf.eth0.accept_ra = 2\n",
    );
  });

  it("remembers half-closed connections for an hour where the kernel tracks connections", async () => {
    host.program("sysctl", { "-q -p *": "", "-q -n net.netfilter.nf_conntrack_tcp_timeout_close_wait": "echo 60" });
    expect((await host.call("prepare", "set_kernel", { HOST_IPV6: "" })).status).toBe(0);
    expect(host.read("/etc/sysctl.d/90-sansproxy.conf")).toContain(
      "net.netfilter.nf_conntrack_tcp_timeout_close_wait = 3600\n",
    );
  });

  it("writes nothing, as root, to a name in /tmp that another user could have taken", async () => {
    host.write("/etc/victim", "precious");
    host.write("/tmp/other");
    symlinkSync(host.path("/etc/victim"), host.path("/tmp/sansproxy-modules"));
    expect((await host.call("prepare", "set_kernel", { HOST_IPV6: "" })).status).toBe(0);
    expect(host.read("/etc/victim")).toBe("precious");
  });

  describe("trusts a package repository", () => {
    const keyring = "/etc/apt/keyrings/kubernetes.asc";
    const repository = { APT_REPOSITORY: "http://packages.test", APT_KEY_FINGERPRINT: "AB12" };
    const primary = (fingerprint: string) => `pub:u:255:22:0:\nfpr:::::::::${fingerprint}:\nuid:u::::0::\n`;
    const subkey = "sub:u:255:18:0:\nfpr:::::::::EF56:\n";
    const trust = async (keys: string) => {
      host.program("curl", { "*": `printf fetched >"$root${keyring}.new"` });
      host.program("gpg", { "--show-keys --with-colons *": `printf '${keys.replaceAll("\n", "\\n")}'` });
      return host.call("prepare", `trust_repository ${host.path(keyring)}`, repository);
    };

    it("whose key has the expected fingerprint, whatever its subkeys", async () => {
      expect((await trust(primary("AB12") + subkey)).status).toBe(0);
      expect(host.read(keyring)).toBe("fetched");
    });

    // apt takes a signature of any key in the file.
    it.each([
      ["of another key", primary("CD34"), "CD34"],
      ["with a second key behind the expected one", primary("AB12") + subkey + primary("CD34"), "AB12 CD34"],
      ["that publishes no key", "", "none"],
    ])("but none %s", async (_, keys, found) => {
      const { status, stderr } = await trust(keys);
      expect(status).toBe(1);
      expect(stderr).toContain(`has the fingerprint ${found} and AB12 alone is expected`);
      expect(host.has(keyring)).toBe(false);
    });
  });
});
