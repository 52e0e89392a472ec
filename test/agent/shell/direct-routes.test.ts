// SPDX-License-Identifier: Apache-2.0
// Checks which `ip` commands lead from the routes that are there to those that are wanted.

import { expect, test } from "vitest";
import { syncDirectRoutes } from "../../../agent/shell/direct-routes.ts";

/** Answers `route show` with these and takes note of every change; `refuse` makes one destination fail. */
function fakeIp(held: Record<string, string>, refuse?: string) {
  const changes: string[] = [];
  const run = async (args: readonly string[]) => {
    const command = args.join(" ");
    if (command === "-4 -j route show proto 157")
      return JSON.stringify(Object.entries(held).map(([dst, gateway]) => ({ dst, gateway, dev: "eth0", flags: [] })));
    if (command === "-6 -j route show proto 157") return "";
    if (refuse && command.includes(refuse)) throw new Error("ip: RTNETLINK answers: Network is unreachable");
    if (!/^-[46] route (replace|del) /.test(command)) throw new Error(`unexpected: ip ${command}`);
    changes.push(command);
    return "";
  };
  return { run, changes };
}

const route = (cidr: string, via: string) => ({ cidr, via, family: cidr.includes(":") ? 6 : 4 }) as const;

test("adds what is missing, replaces what leads elsewhere, removes what is stale, and leaves the rest alone", async () => {
  const ip = fakeIp({ "10.244.1.0/24": "192.0.2.1", "10.244.2.0/24": "192.0.2.99", "10.244.9.0/24": "192.0.2.9" });
  const wanted = [
    route("10.244.1.0/24", "192.0.2.1"),
    route("10.244.2.0/24", "192.0.2.2"),
    route("10.244.3.0/24", "192.0.2.3"),
    route("fd00:3::/64", "2001:db8::3"),
  ];
  const result = await syncDirectRoutes(wanted, ip.run);
  expect(ip.changes).toEqual([
    "-4 route replace 10.244.2.0/24 via 192.0.2.2 proto 157",
    "-4 route replace 10.244.3.0/24 via 192.0.2.3 proto 157",
    "-4 route del 10.244.9.0/24 via 192.0.2.9 proto 157",
    "-6 route replace fd00:3::/64 via 2001:db8::3 proto 157",
  ]);
  expect(result).toEqual({
    added: ["10.244.2.0/24", "10.244.3.0/24", "fd00:3::/64"],
    removed: ["10.244.9.0/24"],
    failures: [],
  });
});

test("changes nothing when all is there, also a route to a single address", async () => {
  const ip = fakeIp({ "10.244.1.7": "192.0.2.1" });
  await syncDirectRoutes([route("10.244.1.7/32", "192.0.2.1")], ip.run);
  expect(ip.changes).toEqual([]);
});

test("sets the other routes when a node cannot be reached directly, and says which and why", async () => {
  const ip = fakeIp({}, "192.0.2.1");
  const result = await syncDirectRoutes(
    [route("10.244.1.0/24", "192.0.2.1"), route("10.244.2.0/24", "192.0.2.2")],
    ip.run,
  );
  expect(result.added).toEqual(["10.244.2.0/24"]);
  expect(result.failures).toEqual([
    "no route to pods in 10.244.1.0/24: ip: RTNETLINK answers: Network is unreachable; autoDirectNodeRoutes needs all nodes on one network segment",
  ]);
});
