// SPDX-License-Identifier: Apache-2.0
import { symlinkSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHost } from "./fake-host.ts";

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
  host.program("modprobe", { "-qn overlay": "", "-q overlay": "", "-qn br_netfilter": "exit 1" });
  host.program("sysctl", { "-q -p *": "" });
});
afterEach(() => host.remove());

describe("the step prepare", () => {
  it("loads the modules that the kernel has, now and at every boot, and turns forwarding on", async () => {
    const { status, calls } = await host.call("prepare", "set_kernel", { IPV6: "no" });
    expect(status).toBe(0);
    expect(calls).toContain("modprobe -q overlay");
    expect(host.read("/etc/modules-load.d/sansproxy.conf")).toBe("overlay\n");
    expect(host.read("/etc/sysctl.d/90-sansproxy.conf")).toBe("net.ipv4.ip_forward = 1\n");
  });

  it("writes nothing, as root, to a name in /tmp that another user could have taken", async () => {
    host.write("/etc/victim", "precious");
    host.write("/tmp/other");
    symlinkSync(host.path("/etc/victim"), host.path("/tmp/sansproxy-modules"));
    expect((await host.call("prepare", "set_kernel", { IPV6: "no" })).status).toBe(0);
    expect(host.read("/etc/victim")).toBe("precious");
  });
});
