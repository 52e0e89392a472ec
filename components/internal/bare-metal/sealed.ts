// SPDX-License-Identifier: Apache-2.0
// Opens what a control plane gave in sealed form. Pulumi shows a failed command's output, which may be a secret.

import { createDecipheriv, createHmac, pbkdf2Sync } from "node:crypto";

const iterations = 10_000;
const saltMark = "Salted__";

/** The key of the seal: known to whoever holds the SSH key, and to nobody else. */
export function sealKey(privateKey: string): string {
  return createHmac("sha256", privateKey).update("sansproxy sealed output").digest("hex");
}

/** The text inside a seal, as `openssl enc -aes-256-cbc -pbkdf2` writes it. */
export function openSeal(sealed: string, key: string): string {
  const bytes = Buffer.from(sealed.trim(), "base64");
  try {
    if (bytes.subarray(0, 8).toString("latin1") !== saltMark) throw new Error("no seal");
    const derived = pbkdf2Sync(key, bytes.subarray(8, 16), iterations, 48, "sha256");
    const decipher = createDecipheriv("aes-256-cbc", derived.subarray(0, 32), derived.subarray(32));
    return Buffer.concat([decipher.update(bytes.subarray(16)), decipher.final()]).toString("utf8");
  } catch {
    throw new Error(
      "What the control plane gave could not be opened with the cluster's SSH key; run the update again with --refresh.",
    );
  }
}
