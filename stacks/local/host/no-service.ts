// SPDX-License-Identifier: Apache-2.0
// Keeps an installation of Debian packages from starting services that the tests want only the programs of.

import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";

/** Debian asks this program whether a package may start its service. */
const policyFile = "/usr/sbin/policy-rc.d";

function policy(services: readonly string[]): string {
  const names = services.flatMap((name) => [name, `${name}.service`, `${name}.socket`]).join("|");
  return `#!/bin/sh
# Made by sansproxy's tests for one installation, and removed after it: ${services.join(", ")} shall not be started.
for word in "$@"; do case "$word" in ${names}) exit 101;; esac; done
exit 0
`;
}

/** Runs an installation that starts none of the services; a policy that the box has already stays and decides. */
export async function withoutServices<T>(
  services: readonly string[],
  work: () => Promise<T>,
  file = policyFile,
): Promise<T> {
  const ours = policy(services);
  if (services.length === 0 || (existsSync(file) && readFileSync(file, "utf8") !== ours)) return await work();
  const remove = () => rmSync(file, { force: true });
  const interrupted = (_: NodeJS.Signals, number: number) => {
    remove();
    process.exit(128 + number);
  };
  writeFileSync(file, ours, { mode: 0o755 });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of signals) process.on(name, interrupted);
  try {
    return await work();
  } finally {
    for (const name of signals) process.off(name, interrupted);
    remove();
  }
}
