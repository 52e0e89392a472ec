// SPDX-License-Identifier: Apache-2.0
// How a host is reached: SSH with a key, through a bastion where there is one, with bounded patience.

import type { types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

/** Where a host or a bastion listens for SSH. */
export interface SshEndpoint {
  readonly host: pulumi.Input<string>;
  readonly port: pulumi.Input<number> | undefined;
  readonly user: pulumi.Input<string> | undefined;
  readonly privateKey: pulumi.Input<string>;
  readonly hostKey: pulumi.Input<string> | undefined;
}

/** A dead host is given up after about a minute instead of the provider's several. */
const dialErrorLimit = 5;
const perDialTimeout = 10;

function endpoint(ssh: SshEndpoint): types.input.remote.ProxyConnectionArgs {
  return {
    host: ssh.host,
    port: ssh.port ?? 22,
    user: ssh.user ?? "root",
    privateKey: pulumi.secret(ssh.privateKey),
    dialErrorLimit,
    perDialTimeout,
    ...(ssh.hostKey === undefined ? {} : { hostKey: ssh.hostKey }),
  };
}

/** The connection of a host. */
export function sshConnection(host: SshEndpoint, bastion?: SshEndpoint): types.input.remote.ConnectionArgs {
  return { ...endpoint(host), ...(bastion === undefined ? {} : { proxy: endpoint(bastion) }) };
}
