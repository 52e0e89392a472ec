// SPDX-License-Identifier: Apache-2.0
// Decides whether the key a host presents is the one the program expects.
import { createHash } from "node:crypto";

/** The algorithms under which a key of some type may be presented. */
const algorithms: Readonly<Record<string, readonly string[]>> = {
  "ssh-ed25519": ["ssh-ed25519"],
  "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"],
  "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
  "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
  "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
};

export interface HostKey {
  readonly type: string;
  readonly blob: Buffer;
  readonly algorithms: readonly string[];
}

const fingerprint = (blob: Buffer): string =>
  `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;

/** Reads a line as in `/etc/ssh/ssh_host_*_key.pub`: type, base64, perhaps a comment. */
export const parseHostKey = (line: string): HostKey => {
  const fields = line.trim().split(/\s+/);
  const at = fields.findIndex((field) => field in algorithms);
  const type = fields[at];
  const encoded = fields[at + 1];
  const allowed = type === undefined ? undefined : algorithms[type];
  if (type === undefined || encoded === undefined || allowed === undefined) {
    throw new Error(
      `connection.hostKey is not a public key: give a line like "ssh-ed25519 AAAA..." from the host's /etc/ssh/ssh_host_ed25519_key.pub`,
    );
  }
  return { type, blob: Buffer.from(encoded, "base64"), algorithms: allowed };
};

/** A host that is not the expected one: trying again cannot help. */
export class HostKeyMismatch extends Error {
  constructor(host: string, expected: HostKey, presented: Buffer) {
    super(
      `ssh: host key mismatch: ${host} presents ${fingerprint(presented)}, connection.hostKey is ${expected.type} ${fingerprint(expected.blob)}; ` +
        "if the host was really set up anew, put its new key into connection.hostKey",
    );
  }
}
