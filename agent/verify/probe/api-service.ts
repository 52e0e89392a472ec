// SPDX-License-Identifier: Apache-2.0
// Asks the API server for its version through the `kubernetes` Service, trusting only the CA that the pod was given.
import { readFile } from "node:fs/promises";
import { get } from "node:https";
import type { Target } from "./echo-client.ts";
import type { Attempt } from "./retry.ts";

const TIMEOUT_MS = 5_000;
export const SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";

const getVersion = (target: Target, ca: Buffer, token: string): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const request = get(
      {
        host: target.address,
        port: target.port,
        path: "/version",
        ca,
        agent: false,
        timeout: TIMEOUT_MS,
        headers: { authorization: `Bearer ${token}` },
      },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          body += chunk;
        });
        response.once("error", reject);
        response.once("end", () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    request.once("timeout", () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    request.once("error", reject);
  });

export const checkApiService = async (target: Target, folder: string): Promise<Attempt> => {
  const url = `https://${target.address}:${target.port}/version`;
  try {
    const ca = await readFile(`${folder}/ca.crt`);
    const token = (await readFile(`${folder}/token`, "utf8")).trim();
    const { status, body } = await getVersion(target, ca, token);
    if (status !== 200) return { passed: false, observed: `${url} answered ${status}` };
    const version = (JSON.parse(body) as { gitVersion?: unknown }).gitVersion;
    return typeof version === "string"
      ? { passed: true, observed: `${url} answered ${version}` }
      : { passed: false, observed: `${url} answered without a gitVersion` };
  } catch (error) {
    return { passed: false, observed: `${url}: ${(error as Error).message}` };
  }
};
