// SPDX-License-Identifier: Apache-2.0
// Keeps the cluster's kubeconfig in the clone's folder, readable by its owner only.

import { rename, rm, writeFile } from "node:fs/promises";
import * as pulumi from "@pulumi/pulumi";

/** Writes the kubeconfig as soon as the cluster has one, so that a failed verification can be looked into. */
export function keepKubeconfig(file: string, kubeconfig: pulumi.Output<string>): pulumi.Output<void> {
  return kubeconfig.apply(async (text) => {
    if (!pulumi.runtime.isDryRun()) await writeKubeconfig(file, text);
  });
}

/** Writes it in one step, so that no reader finds half of it, also over a file with other rights. */
export async function writeKubeconfig(file: string, text: string): Promise<void> {
  const fresh = `${file}.new-${process.pid}`;
  try {
    await rm(fresh, { force: true });
    await writeFile(fresh, text, { mode: 0o600, flag: "wx" });
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    throw new pulumi.RunError(
      `The kubeconfig cannot be written to ${file} (${(error as NodeJS.ErrnoException).code}): mend the folder and ` +
        "its disk, and run `npm run up` again.",
    );
  }
}
