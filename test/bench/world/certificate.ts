// SPDX-License-Identifier: Apache-2.0
// The certificate of the bench's API servers, which is its own authority: `key.pem` and `ca.crt`.
import { execFileSync } from "node:child_process";
import { join } from "node:path";

export function makeCertificate(directory: string, addresses: readonly string[]): void {
  const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench";
  const names = addresses.map((address) => `IP:${address}`).join(",");
  const files = ["-keyout", join(directory, "key.pem"), "-out", join(directory, "ca.crt")];
  execFileSync("openssl", [...request.split(" "), "-addext", `subjectAltName=${names}`, ...files], { stdio: "ignore" });
}
