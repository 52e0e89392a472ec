// SPDX-License-Identifier: Apache-2.0
import { rmSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BareMetalCluster, type BareMetalClusterArgs } from "../../components/index.ts";
import { args, controlPlane, host, hostKey, makeBundle, privateKey, worker } from "./bare-metal-args.ts";
import {
  ancestors,
  bootstrapToken,
  caCertHash,
  certificateKey,
  plainTexts,
  type RecordedResource,
  recordProgram,
  revealed,
  Secret,
  settled,
} from "./recorded-program.ts";

let bundlePath = "";
beforeAll(() => {
  bundlePath = makeBundle();
});
afterAll(() => rmSync(bundlePath, { recursive: true }));

async function build(changes: Partial<BareMetalClusterArgs> = {}, preview = false) {
  const { resources, result } = await recordProgram(
    () => new BareMetalCluster("metal", args({ bundlePath, ...changes })),
    preview,
  );
  const get = (name: string): RecordedResource => {
    const resource = resources.get(name);
    if (resource === undefined) throw new Error(`No resource ${name} among ${[...resources.keys()].join(", ")}`);
    return resource;
  };
  return { resources, get, cluster: result, stdin: (name: string) => revealed(get(name).inputs["stdin"]) };
}

describe("BareMetalCluster", () => {
  it("gives every host the same steps under stable names", async () => {
    const { resources } = await build();
    expect([...resources.keys()].sort()).toEqual(
      [
        "metal",
        "metal-init",
        "metal-upgrade",
        "metal-certificate",
        "metal-kubeconfig",
        ...["cp-1", "worker-1", "worker-2"].flatMap((name) =>
          ["preflight", "claim", "copy-bin", "copy-agent", "prepare"].map((step) => `metal-${name}-${step}`),
        ),
        "metal-cp-1-copy-etcd",
        ...["worker-1", "worker-2"].flatMap((name) =>
          ["token", "admit", "join", "drain", "upgrade", "member"].map((step) => `metal-${name}-${step}`),
        ),
      ].sort(),
    );
  });

  it("judges every host before it changes any", async () => {
    const { resources } = await build();
    for (const step of resources.values()) {
      if (!step.type.startsWith("command:") || step.name.endsWith("-preflight")) continue;
      for (const name of ["cp-1", "worker-1", "worker-2"]) {
        expect(ancestors(resources, step.name), step.name).toContain(`metal-${name}-preflight`);
      }
    }
  });

  it("notes on every host what cannot change of the cluster, and compares it there before it changes any", async () => {
    const { stdin } = await build({ podCidrs: ["10.1.0.0/16"], dnsDomain: "example.local" });
    for (const name of ["cp-1", "worker-1", "worker-2"]) {
      for (const step of ["preflight", "claim"]) {
        const text = stdin(`metal-${name}-${step}`);
        expect(text).toContain("CONTROL_PLANE='10.89.0.11'\nENDPOINT='10.89.0.11:6443'\nPOD_CIDRS='10.1.0.0/16'\n");
        expect(text).toContain("SERVICE_CIDRS='10.96.0.0/12'\nDNS_DOMAIN='example.local'\n");
      }
    }
  });

  it("disables kube-proxy in everything that kubeadm reads", async () => {
    const { stdin } = await build();
    expect(stdin("metal-init")).toMatch(/proxy:\n {2}disabled: true/);
    expect(stdin("metal-init")).toMatch(/kind: InitConfiguration[\s\S]*skipPhases:\n {2}- addon\/kube-proxy/);
    for (const name of ["metal-upgrade", "metal-worker-1-upgrade"]) {
      expect(stdin(name)).toMatch(
        /kind: UpgradeConfiguration\napply:\n {2}skipPhases:\n {4}- addon\/kube-proxy\nnode:\n {2}skipPhases:\n {4}- addon\/kube-proxy/,
      );
    }
  });

  it("upgrades the control planes first, the one that made the cluster before the others, and then host by host", async () => {
    const hosts = [worker, controlPlane, host("cp-2", 12), host("cp-3", 13), host("worker-2", 22)];
    const { resources } = await build({ hosts });
    const turns = ["metal", "metal-cp-2", "metal-cp-3", "metal-worker-1", "metal-worker-2"];
    for (const [index, prefix] of turns.entries()) {
      const before = turns.slice(0, index).map((earlier) => `${earlier}-upgrade`);
      expect([...ancestors(resources, `${prefix}-upgrade`)]).toEqual(expect.arrayContaining(before));
      if (index === 0) continue;
      expect(ancestors(resources, `${prefix}-upgrade`)).toContain(`${prefix}-drain`);
      // The one before is back in use before this one is drained.
      if (index > 1) expect(ancestors(resources, `${prefix}-drain`)).toContain(`${turns[index - 1]}-member`);
    }
  });

  it("has no datapath, join or proof begin before the first control plane was upgraded", async () => {
    const { resources } = await build();
    for (const name of ["metal-kubeconfig", "metal-worker-1-admit", "metal-worker-1-join"]) {
      expect(ancestors(resources, name)).toContain("metal-upgrade");
    }
  });

  it("lets another version change every step of an upgrade, and neither claims, tokens nor joins", async () => {
    const versions = async (kubernetesVersion: string) => {
      const { bundlePath: _none, ...rest } = args({ kubernetesVersion });
      return (await recordProgram(() => new BareMetalCluster("metal", rest))).resources;
    };
    const [before, after] = [await versions("v1.36.2"), await versions("v1.36.3")];
    const changed = [...after.values()].filter(
      ({ name, inputs }) => JSON.stringify(inputs) !== JSON.stringify(before.get(name)?.inputs),
    );
    expect(changed.map(({ name }) => name).sort()).toEqual(
      [
        ...["metal-init", "metal-upgrade", "metal-certificate"],
        ...["cp-1", "worker-1", "worker-2"].flatMap((name) => [`metal-${name}-preflight`, `metal-${name}-prepare`]),
        ...["worker-1", "worker-2"].flatMap((name) =>
          ["drain", "upgrade", "member"].map((step) => `metal-${name}-${step}`),
        ),
      ].sort(),
    );
  });

  it("asks every control plane for the names of certSans", async () => {
    const hosts = [controlPlane, host("cp-2", 12), host("cp-3", 13), worker];
    const { resources, stdin } = await build({ hosts, certSans: ["api.example"] });
    for (const prefix of ["metal", "metal-cp-2", "metal-cp-3"]) {
      expect(stdin(`${prefix}-certificate`)).toMatch(/certSANs:\n {4}- 10\.89\.0\.11\n {4}- api\.example/);
      expect(ancestors(resources, `${prefix}-certificate`)).toContain(`${prefix}-upgrade`);
    }
    expect(resources.has("metal-worker-1-certificate")).toBe(false);
  });

  it("lets a host join while it is admitted, neither waiting for the other", async () => {
    const { resources } = await build();
    expect(ancestors(resources, "metal-worker-1-join")).not.toContain("metal-worker-1-admit");
    expect(ancestors(resources, "metal-worker-1-admit")).not.toContain("metal-worker-1-join");
    for (const step of ["join", "admit"]) {
      expect(ancestors(resources, `metal-worker-1-${step}`)).toContain("metal-init");
      expect(ancestors(resources, `metal-worker-1-${step}`)).toContain("metal-worker-1-prepare");
      expect(ancestors(resources, "metal-worker-1-member")).toContain(`metal-worker-1-${step}`);
    }
  });

  it("admits at most two workers at a time, so that an update with four parallel steps never stands still", async () => {
    const hosts = [controlPlane, ...[1, 2, 3, 4, 5].map((n) => host(`worker-${n}`, 20 + n))];
    const { resources } = await build({ hosts });
    const free = (name: string, before: string) => !ancestors(resources, name).has(before);
    for (let n = 3; n <= 5; n++) {
      expect(ancestors(resources, `metal-worker-${n}-admit`)).toContain(`metal-worker-${n - 2}-join`);
      expect(free(`metal-worker-${n}-admit`, `metal-worker-${n - 1}-join`)).toBe(true);
    }
  });

  it("joins further control planes one after the other, each with certificates of its own key", async () => {
    const hosts = [controlPlane, host("cp-2", 12), host("cp-3", 13), worker];
    const { resources, stdin } = await build({ hosts });
    expect(ancestors(resources, "metal-cp-3-admit")).toContain("metal-cp-2-member");
    expect(ancestors(resources, "metal-worker-1-admit")).not.toContain("metal-cp-2-member");
    expect(stdin("metal-cp-2-join")).toContain(`certificateKey: ${certificateKey}`);
    expect(stdin("metal-cp-2-admit")).toContain(`certificateKey: ${certificateKey}`);
    expect(stdin("metal-worker-1-join")).not.toContain(certificateKey);
  });

  it("pins the CA by the digest of its public key", async () => {
    const { stdin } = await build();
    expect(stdin("metal-worker-1-join")).toContain(`caCertHashes:\n      - ${caCertHash}`);
  });

  it("keeps every token and key out of commands and plain inputs", async () => {
    const { resources } = await build({
      bastion: { host: "bastion.example", hostKey },
      hosts: [controlPlane, host("cp-2", 12), host("cp-3", 13), worker],
    });
    for (const resource of resources.values()) {
      for (const [path, text] of plainTexts(resource.inputs)) {
        expect(text, `${resource.name}${path}`).not.toMatch(/THE-SSH-KEY|VEhFLUFETUlOLUtFWQ/);
        expect(text, `${resource.name}${path}`).not.toContain(bootstrapToken);
        expect(text, `${resource.name}${path}`).not.toContain(certificateKey);
      }
    }
  });

  it("marks the outputs that carry secrets, and logs none of them", async () => {
    const { get } = await build();
    for (const name of ["metal-kubeconfig", "metal-worker-1-token"]) {
      expect(get(name).additionalSecretOutputs).toEqual(expect.arrayContaining(["stdout", "stderr"]));
      expect(get(name).inputs["logging"]).toBe("none");
    }
    for (const name of ["metal-worker-1-join", "metal-worker-1-admit"])
      expect(get(name).inputs["stdin"]).toBeInstanceOf(Secret);
    expect(get("metal-init").inputs["connection"]).toBeInstanceOf(Secret);
  });

  it("bounds every step in time and says what an update of it does", async () => {
    const { resources } = await build();
    for (const { type, name, inputs } of resources.values()) {
      if (type !== "command:remote:Command") continue;
      expect(inputs["create"], name).toMatch(/^timeout -k \d+ \d+ /);
      expect(inputs["update"], name).toMatch(/^timeout -k \d+ \d+ /);
      expect(inputs["addPreviousOutputInEnv"], name).toBe(false);
    }
  });

  it("undoes what it did on a host, and drains it only when the cluster stays", async () => {
    const { get, resources } = await build();
    const undone = [...resources.values()]
      .filter(({ inputs }) => inputs["delete"] !== undefined)
      .map(({ name }) => name);
    expect(undone.sort()).toEqual(
      [
        "metal-init",
        ...["cp-1", "worker-1", "worker-2"].map((name) => `metal-${name}-claim`),
        ...["worker-1", "worker-2"].flatMap((name) => [`metal-${name}-join`, `metal-${name}-member`]),
      ].sort(),
    );
    expect(get("metal-worker-1-member").deletedWith).toBe("metal-init");
    expect(get("metal-worker-1-join").deletedWith).toBe("");
  });

  it("leaves a host alone that is given up for dead", async () => {
    const { get } = await build({ hosts: [controlPlane, { ...worker, resetOnRemove: false }] });
    expect(get("metal-worker-1-join").retainOnDelete).toBe(true);
    expect(get("metal-worker-1-claim").retainOnDelete).toBe(true);
    expect(get("metal-worker-1-member").retainOnDelete).toBe(false);
  });

  it("reaches hosts with a checked key, through the bastion, and gives a dead one up in a minute", async () => {
    const { get } = await build({
      hosts: [controlPlane, { ...worker, user: "admin", port: 2222 }],
      bastion: { host: "bastion.example", user: "jump", hostKey },
    });
    const connection = get("metal-worker-1-join").inputs["connection"].value;
    expect(connection).toMatchObject({ host: "10.89.0.21", user: "admin", port: 2222, hostKey });
    expect(connection.proxy).toMatchObject({ host: "bastion.example", user: "jump", port: 22, hostKey });
    expect(connection.proxy.privateKey).toBe(privateKey);
    expect(connection.dialErrorLimit * connection.perDialTimeout).toBeLessThanOrEqual(60);
  });

  it("becomes root by sudo where the user is another, and nowhere else", async () => {
    const { get } = await build({ hosts: [controlPlane, { ...worker, user: "admin" }] });
    expect(get("metal-worker-1-prepare").inputs["create"]).toContain("sudo -n");
    expect(get("metal-cp-1-prepare").inputs["create"]).toBe("timeout -k 10 1800 bash -euo pipefail -s -- create");
    expect(get("metal-worker-1-preflight").inputs["create"]).not.toContain("sudo");
  });

  it("sends no host key where the check is waived", async () => {
    const { hostKey: _checked, ...rest } = worker;
    const { get } = await build({ hosts: [controlPlane, { ...rest, insecureIgnoreHostKey: true }] });
    expect(get("metal-worker-1-join").inputs["connection"].value).not.toHaveProperty("hostKey");
  });

  it("registers only the new host's resources when one is added, and changes no input of the others", async () => {
    const before = await build({ hosts: [controlPlane, worker] });
    const after = await build({ hosts: [controlPlane, worker, host("worker-9", 29)] });
    for (const resource of after.resources.values()) {
      const old = before.resources.get(resource.name);
      if (old === undefined) expect(resource.name).toMatch(/^metal-worker-9-/);
      else expect(resource.inputs, resource.name).toEqual(old.inputs);
    }
    expect([...before.resources.keys()].filter((name) => !after.resources.has(name))).toEqual([]);
  });

  it("copies to a host what its role needs, under a name that changes with the content", async () => {
    const { get, stdin, resources } = await build();
    expect(get("metal-cp-1-copy-etcd").inputs["remotePath"]).toMatch(
      /^\/var\/lib\/sansproxy\/bundle\/[0-9a-f]{16}-etcd\.tar\.gz$/,
    );
    expect(resources.has("metal-worker-1-copy-etcd")).toBe(false);
    expect(stdin("metal-worker-1-prepare")).toContain("ghcr.io/sansproxy/agent:0.1.0");
    expect(ancestors(resources, "metal-worker-1-prepare")).toContain("metal-worker-1-copy-agent");
  });

  it("installs from package repositories with a pinned key without a bundle", async () => {
    const { bundlePath: _none, ...rest } = args({ bundlePath });
    const { resources } = await recordProgram(
      () => new BareMetalCluster("metal", { ...rest, kubernetesVersion: "1.35.2" }),
    );
    const text = revealed(resources.get("metal-worker-1-prepare")?.inputs["stdin"]);
    expect(text).toContain("APT_REPOSITORY='https://pkgs.k8s.io/core:/stable:/v1.35/deb'");
    expect(text).toMatch(/APT_KEY_FINGERPRINT='[0-9A-F]{40}'/);
    expect(text).toContain("KUBERNETES_VERSION='v1.35.2'");
    expect([...resources.values()].filter(({ type }) => type.endsWith(":CopyToRemote"))).toEqual([]);
  });

  it("gives the cluster as data, its kubeconfig pointed at the endpoint and secret", async () => {
    const { cluster } = await build({
      controlPlaneEndpoint: { host: "api.example", port: 8443 },
      podCidrs: ["10.1.0.0/16"],
    });
    const data = cluster.cluster;
    expect(data).toMatchObject({
      name: "metal",
      platform: "bare-metal",
      kubernetesVersion: "v1.36.3",
      podCidrs: ["10.1.0.0/16"],
    });
    expect(await settled(pulumi.output(data.apiServerHost))).toBe("api.example");
    expect(await settled(pulumi.output(data.apiServerPort))).toBe(8443);
    expect(await settled(cluster.kubeconfig)).toContain("server: https://api.example:8443");
    expect(await pulumi.isSecret(cluster.kubeconfig)).toBe(true);
    expect(await settled(cluster.nodes)).toEqual([
      { name: "cp-1", address: "10.89.0.11", role: "control-plane" },
      { name: "worker-1", address: "10.89.0.21", role: "worker" },
      { name: "worker-2", address: "10.89.0.22", role: "worker" },
    ]);
  });

  it("can be previewed before any host exists", async () => {
    const { resources } = await build({}, true);
    expect(resources.size).toBeGreaterThan(20);
  });
});
