// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHost, type Program } from "./fake-host.ts";

const worker = { JOIN_NAME: "worker-1", JOIN_ROLE: "worker", DRAIN_SECONDS: 30 };
const node = (ready: string, mark = ""): Program => ({
  "*get node worker-1 -o jsonpath={.metadata.annotations*": `printf '${mark}'`,
  "*uncordon worker-1": "",
  "*annotate node worker-1 sansproxy.io/cordoned-for-": "",
  "*get node worker-1 --ignore-not-found -o jsonpath*": `printf '${ready}'`,
  "*get node worker-1 -o name *": "echo node/worker-1",
  "*label node worker-1 node-role.kubernetes.io/worker= --overwrite": "",
  "*drain worker-1 *": "",
  "*delete node worker-1 *": "",
});
const verbs = (calls: readonly string[]) =>
  calls
    .filter((call) => call.startsWith("kubectl"))
    .map((call) => / (get|label|drain|delete|uncordon|annotate) /.exec(call)?.[1]);

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
  host.write("/etc/kubernetes/admin.conf");
});
afterEach(() => host.remove());

describe("the step member", () => {
  it("labels a worker, the second time with the same result", async () => {
    host.program("kubectl", node("worker-1=True"));
    for (const action of ["create", "update"] as const) {
      const { status, calls } = await host.run("member", action, worker);
      expect(status).toBe(0);
      expect(verbs(calls)).toEqual(["get", "label", "get"]);
    }
  });

  it("takes a Node back into use that was cordoned for its upgrade, and the mark goes last", async () => {
    host.program("kubectl", node("worker-1=True", "v1.36.3"));
    const { status, calls } = await host.run("member", "update", worker);
    expect(status).toBe(0);
    expect(verbs(calls)).toEqual(["get", "label", "get", "uncordon", "annotate"]);
  });

  it("says where to look when the Node does not appear", async () => {
    host.program("kubectl", { "*get node worker-1 -o name *": "" });
    const { status, stderr } = await host.run("member", "create", worker);
    expect(status).toBe(1);
    expect(stderr).toMatch(/Node worker-1 is not in the cluster .*journalctl -u kubelet/);
  });

  it("drains a Node that lives before it deletes it", async () => {
    host.program("kubectl", node("worker-1=True"));
    const { status, calls } = await host.run("member", "delete", worker);
    expect(status).toBe(0);
    expect(verbs(calls)).toEqual(["get", "drain", "delete"]);
  });

  it("deletes the Node of a dead host without asking its pods to leave", async () => {
    host.program("kubectl", node("worker-1=Unknown"));
    const { status, calls } = await host.run("member", "delete", worker);
    expect(status).toBe(0);
    expect(verbs(calls)).toEqual(["get", "delete"]);
  });

  it("keeps a Node that cannot be drained, and names the remedy", async () => {
    host.program("kubectl", { ...node("worker-1=True"), "*drain worker-1 *": "echo budget web; exit 1" });
    const { status, stderr, calls } = await host.run("member", "delete", worker);
    expect(status).toBe(1);
    expect(stderr).toMatch(/budget web[\s\S]*could not be drained within 30 seconds .*drainTimeoutSeconds/);
    expect(verbs(calls)).toEqual(["get", "drain"]);
  });

  it("has nothing to delete twice, and nothing where the control plane is gone", async () => {
    host.program("kubectl", node(""));
    expect(verbs((await host.run("member", "delete", worker)).calls)).toEqual(["get"]);
    const bare = new FakeHost();
    expect(await bare.run("member", "delete", worker)).toMatchObject({ status: 0, calls: [] });
    bare.remove();
  });

  it("says that the API server does not answer", async () => {
    host.program("kubectl", { "*": "exit 1" });
    const { status, stderr } = await host.run("member", "delete", worker);
    expect(status).toBe(1);
    expect(stderr).toContain("the API server does not answer, so worker-1 cannot be drained");
  });
});
