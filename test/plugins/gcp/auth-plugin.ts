// SPDX-License-Identifier: Apache-2.0
// Stands in for gke-gcloud-auth-plugin with the simulated account: shows who asks to the cluster that kubectl names.
import { join } from "node:path";
import { Account } from "../clouds/account.ts";
import { ApiClient } from "../clouds/clusters/api-client.ts";

interface ExecCredential {
  readonly apiVersion: string;
  readonly spec: { readonly cluster?: { readonly server: string } };
}

const written = process.env["KUBERNETES_EXEC_INFO"];
if (written === undefined)
  throw new Error("KUBERNETES_EXEC_INFO is not set: this is run by kubectl, with provideClusterInfo: true");
const { apiVersion, spec } = JSON.parse(written) as ExecCredential;
const host = new URL(spec.cluster?.server ?? "https://nowhere.invalid").hostname;
const account = Account.open();
const clients = account.clusters().map((id) => ApiClient.of(join(account.directory, "clusters", id)));
const client = clients.find((one) => one?.endpoint.host === host);
if (client === undefined) throw new Error(`the simulated account has no cluster at ${host}`);
process.stdout.write(
  `${JSON.stringify({ kind: "ExecCredential", apiVersion, spec: {}, status: client.credential })}\n`,
);
