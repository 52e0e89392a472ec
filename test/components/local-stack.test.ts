// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localStack, readPreparations } from "../../stacks/local/program.ts";
import { planMachines, readSettings, type Settings } from "../../stacks/local/settings.ts";
import { hostKey, makeBundle, privateKey } from "./bare-metal-args.ts";
import { ancestors, plainTexts, recordProgram, revealed } from "./recorded-program.ts";

let bundlePath = "";
beforeAll(() => {
  bundlePath = makeBundle();
});
afterAll(() => rmSync(bundlePath, { recursive: true }));

function settings(values: Record<string, string> = {}): Settings {
  pulumi.runtime.setAllConfig(
    Object.fromEntries(Object.entries(values).map(([key, value]) => [`sansproxy:${key}`, value])),
  );
  return readSettings(new pulumi.Config("sansproxy"));
}

const build = (values: Record<string, string> = {}) => {
  const chosen = settings(values);
  return recordProgram(() =>
    localStack("local", chosen, { privateKey, authorizedKey: hostKey, bundlePath, agentTag: "0.1.0-abc" }),
  );
};

describe("the local stack", () => {
  it("has one control plane and two workers unless told otherwise", () => {
    expect(planMachines(settings()).map(({ name, address }) => `${name} ${address}`)).toEqual([
      "cp-1 10.89.0.11",
      "worker-1 10.89.0.21",
      "worker-2 10.89.0.22",
    ]);
  });

  it("gives machines, pods and Services IPv6 addresses when it is dual-stack", async () => {
    expect(planMachines(settings({ dualStack: "true" })).map(({ ipv6Address }) => ipv6Address)).toEqual([
      "fd00:10:89:0::11",
      "fd00:10:89:0::21",
      "fd00:10:89:0::22",
    ]);
    const { resources } = await build({ dualStack: "true" });
    expect(revealed(resources.get("local-init")?.inputs.stdin)).toContain("10.244.0.0/16,fd00:10:244::/56");
    expect(revealed(resources.get("local-worker-1-join")?.inputs.stdin)).toContain("10.89.0.21,fd00:10:89:0::21");
    expect(resources.get("machine-worker-1")?.inputs.stdin).toContain('"ipv6Address":"fd00:10:89:0::21"');
  });

  it("gives the agent's chart the values that the configuration has", async () => {
    const { resources } = await build({ helmValues: '{"socketLB":{"bypassRuntimeClasses":"sandboxed"}}' });
    expect(resources.get("datapath-release")?.inputs.values).toMatchObject({
      socketLB: { enabled: true, bypassRuntimeClasses: "sandboxed" },
    });
  });

  it.each([
    ["dualStack", "yes", /true or false/],
    ["helmValues", "[1]", /JSON object/],
    ["helmValues", "debug: true", /JSON object/],
    ["workers", "-1", /whole number from 0 to 100/],
    ["workers", "two", /whole number/],
    ["controlPlanes", "0", /whole number from 1 to 9/],
    ["controlPlaneMemoryMb", "512", /from 1700/],
    ["subnet", "10.89.0.0/16", /a\.b\.c\.0\/24/],
    ["bridge", "A bridge", /lower-case letters/],
  ])("refuses sansproxy:%s = %s, naming key and remedy", (key, value, rule) => {
    expect(() => settings({ [key]: value })).toThrow(rule);
    expect(() => settings({ [key]: value })).toThrow(`npm run up -- -c sansproxy:${key}=VALUE`);
  });

  it("names the remedy when nothing has been prepared", () => {
    expect(() => readPreparations("/nonexistent")).toThrow(/SSH key is missing .* run "npm run up" once/);
  });

  it("reads what has been prepared", () => {
    const folder = mkdtempSync(join(tmpdir(), "sansproxy-state-"));
    mkdirSync(join(folder, "ssh"));
    mkdirSync(join(folder, "bundle"));
    const files = [{ images: ["registry.k8s.io/pause:3.10.2"] }, { images: ["ghcr.io/sansproxy/agent:0.1.0-abc"] }];
    writeFileSync(join(folder, "bundle", "manifest.json"), JSON.stringify({ files }));
    writeFileSync(join(folder, "ssh", "id_ed25519"), privateKey);
    writeFileSync(join(folder, "ssh", "id_ed25519.pub"), `${hostKey}\n`);
    expect(readPreparations(folder)).toEqual({
      privateKey,
      authorizedKey: hostKey,
      bundlePath: join(folder, "bundle"),
      agentTag: "0.1.0-abc",
    });
    rmSync(folder, { recursive: true });
  });

  it("puts the datapath before the workers, the workers before the proof, and waits for neither too early", async () => {
    const { resources } = await build();
    expect(ancestors(resources, "datapath-release")).toContain("local-init");
    expect(ancestors(resources, "datapath-release")).not.toContain("local-worker-1-join");
    expect(ancestors(resources, "local-worker-1-join")).not.toContain("datapath-release");
    for (const name of ["datapath-release", "local-worker-1-member", "local-worker-2-member", "local-init"]) {
      expect(ancestors(resources, "verification-run")).toContain(name);
    }
  });

  it("deletes a machine only after its host has been drained and reset", async () => {
    const { resources } = await build();
    for (const name of ["worker-1", "worker-2"]) {
      expect(ancestors(resources, `local-${name}-member`)).toContain(`local-${name}-join`);
      expect(ancestors(resources, `local-${name}-join`)).toContain(`machine-${name}`);
      expect(ancestors(resources, `machine-${name}`)).toContain("network");
    }
  });

  it("adds a worker without changing anything of the others", async () => {
    const [before, after] = [await build(), await build({ workers: "3" })];
    for (const [name, { inputs }] of after.resources) {
      const old = before.resources.get(name);
      if (old === undefined) expect(name).toMatch(/worker-3/);
      else if (!name.startsWith("verification")) expect(inputs, name).toEqual(old.inputs);
    }
  });

  it("shows no key, and no kube-proxy among its resources", async () => {
    const { resources, result } = await build();
    for (const { name, type, inputs } of resources.values()) {
      expect(`${type} ${name}`).not.toContain("kube-proxy");
      for (const [path, text] of plainTexts(inputs)) expect(text, `${name}${path}`).not.toContain("THE-SSH-KEY");
    }
    expect(await pulumi.isSecret(result["kubeconfig"] as pulumi.Output<string>)).toBe(true);
  });

  it("starts machines again after a restart of the box, and never replaces them for it", async () => {
    const { resources } = await build();
    for (const name of ["network", "machine-cp-1", "machine-worker-1"]) {
      const { inputs } = resources.get(name) ?? {};
      expect(inputs?.["environment"], name).toHaveProperty("BOOT_ID");
      expect(inputs, name).not.toHaveProperty("triggers");
      expect(inputs?.["update"], name).toBe(inputs?.["create"]);
    }
  });

  it("installs the agent that is in the bundle", async () => {
    const { resources } = await build();
    expect(resources.get("datapath-release")?.inputs).toHaveProperty("values.image.tag", "0.1.0-abc");
  });

  it("skips the uninstallation of what goes with the cluster", async () => {
    const { resources } = await build();
    expect(resources.get("datapath-release")?.deletedWith).toBe("local");
  });
});
