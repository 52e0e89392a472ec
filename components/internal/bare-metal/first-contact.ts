// SPDX-License-Identifier: Apache-2.0
// Says in one sentence why a host cannot be used, where the command plugin's own message leaves the remedy open.

import * as pulumi from "@pulumi/pulumi";

/** How a host is reached, as far as it may be shown. */
export interface ContactFacts {
  /** Name of the Node. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** The host goes through this bastion, which is contacted first. */
  readonly bastion?: string;
}

/** What the command plugin and the SSH library of Go that it uses say (golang.org/x/crypto/ssh), by cause. */
const causes: readonly (readonly [RegExp, (facts: ContactFacts) => string])[] = [
  [
    /host key mismatch|key mismatch|knownhosts:/i,
    ({ name }) =>
      `shows another host key than hosts[].hostKey of "${name}" says: the machine was made anew, or something stands between. Compare it on a trusted line (ssh-keyscan, console), and correct hostKey only when the change is explained.`,
  ],
  [
    /unable to authenticate|authentication methods failed|permission denied \(publickey/i,
    ({ user }) =>
      `refuses the private key for user "${user}". Add the key's public half to that user's ~/.ssh/authorized_keys on the host, or correct user or privateKey.`,
  ],
  [
    /connection refused|i\/o timeout|no route to host|network is unreachable|no such host|cannot reach|ECONNREFUSED|EHOSTUNREACH/i,
    ({ port }) =>
      `does not answer SSH on port ${port}. See that it is switched on, that its address and port are right, and that no firewall is between.`,
  ],
];

/** The sentence for an error of the first step on a host; undefined when the host was reached and the step itself failed. */
export function contactProblem(errors: readonly string[], facts: ContactFacts): string | undefined {
  // A script that ran and failed says its own sentence, whatever words are in its output.
  const text = errors[0] ?? "";
  if (/exit status|exited with/i.test(text)) return undefined;
  const cause = causes.find(([pattern]) => pattern.test(text));
  if (cause === undefined) return undefined;
  const through = facts.bastion === undefined ? "" : ` (or the bastion ${facts.bastion} before it)`;
  return `The host "${facts.name}" at ${facts.address}${through} ${cause[1](facts)} Nothing was changed on it.`;
}

/**
 * Hooks for the first step on a host; they explain the failure, and ask for no retry: the plugin has dialled several times.
 * Without an engine (a program under mocks) nothing could call them.
 */
export function explainContact(
  name: string,
  facts: pulumi.Output<ContactFacts>,
  parent: pulumi.Resource,
): pulumi.ResourceHookBinding {
  if (!pulumi.runtime.hasEngine()) return {};
  const hook = new pulumi.ErrorHook(name, async ({ errors }) => {
    const known = await new Promise<ContactFacts>((resolve) => facts.apply(resolve));
    const problem = contactProblem(errors, known);
    if (problem !== undefined) await pulumi.log.error(problem, parent);
    return false;
  });
  return { onError: [hook] };
}
