// SPDX-License-Identifier: Apache-2.0
// What a kubeconfig's own program for credentials is asked, as kubectl asks it.

import type { RequestOptions } from "node:https";
import { expect, test } from "vitest";
import { loadKubeconfig } from "../../../agent/verify/kubeconfig.ts";

/** Shows as a token what it was told of the cluster. */
const script = `
  const { apiVersion, spec } = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
  const token = [spec.cluster?.server, spec.cluster?.["certificate-authority-data"], spec.interactive, process.env.PROFILE].join(" ");
  console.log(JSON.stringify({ apiVersion, kind: "ExecCredential", status: { token } }));`;

const kubeconfig = (provideClusterInfo: boolean): string =>
  JSON.stringify({
    ...{ apiVersion: "v1", kind: "Config", "current-context": "main" },
    clusters: [{ name: "main", cluster: { server: "https://192.0.2.1", "certificate-authority-data": "QQ==" } }],
    contexts: [{ name: "main", context: { cluster: "main", user: "main" } }],
    users: [
      {
        name: "main",
        user: {
          exec: {
            ...{ apiVersion: "client.authentication.k8s.io/v1", command: process.execPath, args: ["-e", script] },
            env: [{ name: "PROFILE", value: "prod" }],
            provideClusterInfo,
          },
        },
      },
    ],
  });

const tokenOf = async (text: string): Promise<unknown> => {
  const source = { kubeconfig: "-", environment: {}, workingFolder: "/", home: "/", readStdin: () => text };
  const options: RequestOptions = { headers: {} };
  await loadKubeconfig(source).applyToHTTPSOptions(options);
  return (options.headers as Record<string, unknown>)["Authorization"];
};

test("it is told which cluster it is for, where the kubeconfig asks for that, as gke-gcloud-auth-plugin's does", async () => {
  expect(await tokenOf(kubeconfig(true))).toBe("Bearer https://192.0.2.1 QQ== false prod");
});

test("it is told of no cluster otherwise", async () => {
  expect(await tokenOf(kubeconfig(false))).toBe("Bearer   false prod");
});
