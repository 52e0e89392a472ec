// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { contactProblem } from "../../components/internal/bare-metal/first-contact.ts";

const facts = { name: "worker-1", address: "192.0.2.21", port: 22, user: "debian" };

describe("a failed first step on a host", () => {
  it.each([
    ["ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey]", /authorized_keys/],
    ["root@192.0.2.21:22: All configured authentication methods failed", /refuses the private key for user "debian"/],
    ["ssh: handshake failed: ssh: host key mismatch", /another host key than hosts\[\]\.hostKey of "worker-1"/],
    ["after 10 failed attempts: dial tcp 192.0.2.21:22: connect: connection refused", /does not answer SSH on port 22/],
    ["dial tcp 192.0.2.21:22: i/o timeout", /switched on/],
    ["dial tcp 192.0.2.21:22: connect: no route to host", /firewall/],
  ])("is explained by its cause: %s", (error, sentence) => {
    const problem = contactProblem([error], facts);
    expect(problem).toMatch(sentence);
    expect(problem).toContain('The host "worker-1" at 192.0.2.21 ');
  });

  it("names the bastion, which may be the one that failed", () => {
    const problem = contactProblem(["dial tcp 198.51.100.1:22: i/o timeout"], { ...facts, bastion: "198.51.100.1" });
    expect(problem).toContain("(or the bastion 198.51.100.1 before it)");
  });

  it("is left to the step's own sentence when its script ran, whatever is in its output", () => {
    const error = `running "timeout ...": Process exited with status 1: curl: connection refused`;
    expect(contactProblem([error], facts)).toBeUndefined();
    expect(contactProblem(["the kernel is too old"], facts)).toBeUndefined();
    expect(contactProblem([], facts)).toBeUndefined();
  });
});
