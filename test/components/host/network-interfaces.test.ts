// SPDX-License-Identifier: Apache-2.0
// What is run when a VPC of EKS goes: the network interfaces that its nodes left are deleted, or it is said why not.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { packageRoot } from "../../../components/internal/package-root.ts";
import { FakeHost } from "./fake-host.ts";

const script = readFileSync(join(packageRoot, "components/internal/eks/network-interfaces.sh"), "utf8");

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
});
afterEach(() => host.remove());

/** The account's free interfaces are files; `deletion` is what a call to delete one does. */
function account(interfaces: readonly string[], deletion = 'rm "$root/free/$4"'): void {
  for (const id of interfaces) host.write(`/free/${id}`);
  host.program("aws", {
    "ec2 describe-network-interfaces *":
      'cd "$root/free" 2>/dev/null || exit 0; for id in eni-*; do [ ! -e "$id" ] || printf "%s\\t" "$id"; done',
    "ec2 delete-network-interface --network-interface-id eni-*": deletion,
  });
}

const run = (owner = {}) => host.sh(script, { VPC_ID: "vpc-1", AWS_REGION: "eu-central-1", ...owner });
const deletions = (calls: readonly string[]) => calls.filter((call) => call.includes("delete-network-interface"));

describe("network-interfaces.sh", () => {
  it("has no fault that shellcheck knows", () => {
    const { stdout, error } = spawnSync("shellcheck", ["-s", "sh", "-"], { input: script, encoding: "utf8" });
    expect(error).toBeUndefined();
    expect(stdout).toBe("");
  });

  it("asks for the free interfaces of this VPC alone, and ends when there are none", async () => {
    account([]);
    const { status, calls } = await run();
    expect(status).toBe(0);
    expect(calls).toEqual([
      "aws ec2 describe-network-interfaces --filters Name=vpc-id,Values=vpc-1 Name=status,Values=available " +
        "--query NetworkInterfaces[].NetworkInterfaceId --output text",
    ]);
  });

  it("asks in a VPC that others use for the cluster's own interfaces alone", async () => {
    account([]);
    const { status, calls } = await run({ OWNER: "Name=tag:io.cilium/cluster-name,Values=main" });
    expect(status).toBe(0);
    expect(calls).toEqual([
      "aws ec2 describe-network-interfaces --filters Name=vpc-id,Values=vpc-1 Name=status,Values=available " +
        "Name=tag:io.cilium/cluster-name,Values=main --query NetworkInterfaces[].NetworkInterfaceId --output text",
    ]);
  });

  it("takes AWS' None for no interface", async () => {
    host.program("aws", { "ec2 describe-network-interfaces *": "echo None" });
    expect((await run()).status).toBe(0);
  });

  it("deletes every interface, and asks again whether more became free", async () => {
    account(["eni-1", "eni-2"], 'rm "$root/free/$4"; [ "$4" != eni-1 ] || : >"$root/free/eni-3"');
    const { status, calls, stderr } = await run();
    expect(status).toBe(0);
    expect(deletions(calls).map((call) => call.split(" ").at(-1))).toEqual(["eni-1", "eni-2", "eni-3"]);
    expect(stderr).toContain("deleting the network interface eni-1, which no machine has any more");
  });

  it("waits for an interface that AWS is still detaching", async () => {
    account(["eni-1"], '[ -e "$root/waited" ] || { echo InUse >&2; exit 254; }; rm "$root/free/$4"');
    host.program("sleep", { "5": ': >"$root/waited"' });
    const { status, calls } = await run();
    expect(status).toBe(0);
    expect(deletions(calls)).toHaveLength(2);
  });

  it("gives up after a while, and names what is left and where to look", async () => {
    account(["eni-1"], "exit 254");
    const { status, calls, stderr } = await run();
    expect(status).toBe(1);
    expect(deletions(calls)).toHaveLength(20);
    expect(stderr).toMatch(/Network interfaces are left in vpc-1 after 20 attempts: eni-1\s*; see who holds them/);
  });

  it("does not take a failed question for an empty answer", async () => {
    host.program("aws", { "ec2 describe-network-interfaces *": "echo 'ExpiredToken' >&2; exit 254" });
    const { status, stderr } = await run();
    expect(status).not.toBe(0);
    expect(stderr).toContain("ExpiredToken");
  });

  it("says what is missing without the AWS CLI", async () => {
    const { status, stderr } = await run();
    expect(status).toBe(1);
    expect(stderr).toMatch(/The AWS CLI is not installed, .* vpc-1; install it and destroy again/);
  });
});
