// SPDX-License-Identifier: Apache-2.0
// The templates in TypeScript name the agent's image of their configuration wherever it runs, and do nothing without one.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import { privateKey } from "../../components/bare-metal-args.ts";
import { recordProgram } from "../../components/recorded-program.ts";

const folder = mkdtempSync(join(tmpdir(), "sansproxy-templates-"));
const sshPrivateKeyFile = join(folder, "id_ed25519");
writeFileSync(sshPrivateKeyFile, privateKey);
afterAll(() => rmSync(folder, { recursive: true }));

const repository = "registry.example.com/sansproxy/agent";

const record = (template: string, settings: Readonly<Record<string, string>>) =>
  recordProgram(async () => {
    const config = Object.entries({ sshPrivateKeyFile, ...settings }).map(([key, value]) => [`project:${key}`, value]);
    pulumi.runtime.setAllConfig(Object.fromEntries(config));
    await import(`../../../stacks/templates/${template}/index.ts`);
  });

beforeEach(() => vi.resetModules());

describe.each([
  ["bare-metal-typescript", {}, { engine: "cilium" }],
  ["eks-typescript", { mode: "agent" }, { mode: "eni" }],
  ["gke-typescript", { mode: "self-managed", engine: "agent" }, { mode: "dataplane-v2" }],
  ["multi-cloud-typescript", { engine: "agent", gkeMode: "self-managed" }, { engine: "cilium" }],
])("the template %s", (template, withAgent, withAnother) => {
  test("installs the agent from the image that was pushed", async () => {
    const { resources } = await record(template, { ...withAgent, agentRepository: repository, agentTag: "0.1.0-mine" });
    const releases = [...resources.values()].filter(({ type }) => type === "kubernetes:helm.sh/v3:Release");
    expect(releases).not.toEqual([]);
    for (const { inputs } of releases) {
      expect(inputs["values"]).toMatchObject({ image: { repository, tag: "0.1.0-mine" } });
    }
  });

  test("proves another datapath by probes in that image", async () => {
    const { resources } = await record(template, { ...withAnother, agentRepository: repository });
    const proofs = [...resources.values()].filter(({ name }) => name.endsWith("verification-run"));
    expect(proofs).not.toEqual([]);
    for (const { inputs } of proofs) {
      expect(inputs["interpreter"]).toContainEqual(expect.stringMatching(/^--datapath=(cilium|dataplane-v2)$/));
      expect(inputs["interpreter"]).toContain(`--image=${repository}:0.1.0`);
    }
  });

  test("asks for the image before anything is made", async () => {
    await expect(record(template, withAnother)).rejects.toThrow(/agentRepository/);
  });
});
