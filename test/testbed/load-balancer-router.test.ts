// SPDX-License-Identifier: Apache-2.0
// Shows that the router of the e2e tests' load balancers spreads connections, keeps each on its node, and leaves no trace.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LoadBalancerRouter } from "../e2e/conformance/load-balancer-router.ts";

const bridge = "sansproxylb";
const network = "10.89.249";
const balancer = `${network}.200`;
const other = `${network}.201`;
const nodes = [`${network}.21`, `${network}.22`];
const port = 8080;
const children: ChildProcess[] = [];

const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8" });

/** A network namespace with a node's address and the balancer's, whose server says which node it is and then echoes. */
async function startNode(address: string, index: number): Promise<void> {
  const holder = spawn("unshare", ["--net", "--", "sh", "-c", "echo ready; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(holder);
  await once(holder.stdout, "data");
  const link = `${bridge}${index}`;
  ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", `${holder.pid}`);
  ip("link", "set", link, "master", bridge, "up");
  const inside = [`--net=/proc/${holder.pid}/ns/net`];
  const commands = [
    ["link", "set", "lo", "up"],
    ["address", "add", `${balancer}/32`, "dev", "lo"],
    ["address", "add", `${address}/24`, "dev", "eth0"],
    ["link", "set", "eth0", "up"],
    ["route", "add", "default", "via", `${network}.1`],
  ];
  for (const command of commands) execFileSync("nsenter", [...inside, "ip", ...command]);
  const code = `require("node:net").createServer((s) => { s.on("error", () => {}); s.write("${address}"); s.pipe(s); })
    .listen(${port}, () => console.log("listening"))`;
  const server = spawn("nsenter", [...inside, process.execPath, "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(server);
  await once(server.stdout, "data");
}

const open = async (): Promise<{ socket: Socket; node: string }> => {
  const socket = connect({ host: balancer, port, timeout: 5_000 });
  socket.on("error", () => {});
  const [greeting] = await once(socket, "data");
  return { socket, node: String(greeting) };
};

async function echoes(socket: Socket): Promise<boolean> {
  if (socket.destroyed) return false;
  const answer = once(socket, "data", { signal: AbortSignal.timeout(5_000) });
  socket.write("still here?");
  return await answer.then(
    ([text]) => String(text) === "still here?",
    () => false,
  );
}

/** Also those of a run that was killed. */
function removeLinks(): void {
  for (const link of [...nodes.keys()].map((index) => `${bridge}${index}`).concat(bridge)) {
    if (existsSync(`/sys/class/net/${link}`)) ip("link", "delete", link);
  }
}

beforeAll(async () => {
  removeLinks();
  ip("link", "add", bridge, "type", "bridge");
  ip("address", "add", `${network}.1/24`, "dev", bridge);
  ip("link", "set", bridge, "up");
  for (const [index, address] of nodes.entries()) await startNode(address, index);
});

afterAll(async () => {
  // While their namespaces live: the kernel takes those down in its own time, and their links with them.
  removeLinks();
  for (const child of children) {
    const ended = child.exitCode === null && child.signalCode === null && once(child, "close");
    child.kill("SIGKILL");
    await ended;
  }
});

test("a connection stays with its node, whatever becomes of the others, and nothing is left in the end", async () => {
  const [first = "", second = ""] = nodes;
  const router = await LoadBalancerRouter.open(first);
  try {
    await router.lead(balancer, nodes);
    const connections = await Promise.all(Array.from({ length: 40 }, open));
    const on = (node: string) => connections.filter((connection) => connection.node === node);
    expect([on(first).length > 0, on(second).length > 0]).toEqual([true, true]);
    // Routes change beside the balancer's own, then one of its nodes goes, then it comes back.
    for (const step of [() => router.lead(other, [second]), () => router.forget(other)]) {
      await step();
      expect(await Promise.all(connections.map(({ socket }) => echoes(socket)))).not.toContain(false);
    }
    for (const members of [[first], nodes]) {
      await router.lead(balancer, members);
      expect(await Promise.all(on(first).map(({ socket }) => echoes(socket)))).not.toContain(false);
    }
    await router.lead(balancer, []);
    await expect(open()).rejects.toThrow(/EHOSTUNREACH|ENETUNREACH/);
    for (const { socket } of connections) socket.destroy();
  } finally {
    await router.close();
  }
  expect(ip("route", "show", "root", `${network}.0/24`).trim().split("\n")).toHaveLength(1);
  expect(ip("-brief", "address", "show", "dev", bridge)).not.toContain("198.18.");
});
