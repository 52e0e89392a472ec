// SPDX-License-Identifier: Apache-2.0
// Talks to the API server of a simulated cluster as its administrator, in one request at a time.
import { existsSync, readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";

/** How an administrator shows who he is: what an exec plugin of kubectl answers. */
export interface Credential {
  readonly token?: string;
  readonly clientCertificateData?: string;
  readonly clientKeyData?: string;
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: any object of Kubernetes.
  readonly body: any;
}

/** A control plane as everybody else sees it. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** PEM. */
  readonly certificateAuthority: string;
}

export class ApiClient {
  readonly endpoint: Endpoint;
  readonly credential: Credential;

  constructor(endpoint: Endpoint, credential: Credential) {
    this.endpoint = endpoint;
    this.credential = credential;
  }

  /** The client of the cluster whose control plane lives in this folder; undefined when there is none. */
  static of(directory: string): ApiClient | undefined {
    const [endpoint, credential] = ["endpoint.json", "credential.json"].map((name) => join(directory, name));
    if (!endpoint || !credential || !existsSync(endpoint) || !existsSync(credential)) return undefined;
    const read = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"));
    return new ApiClient(read(endpoint) as Endpoint, read(credential) as Credential);
  }

  send(method: string, path: string, body?: object, type = "application/json"): Promise<Answer> {
    const { host, port, certificateAuthority } = this.endpoint;
    const { token, clientCertificateData, clientKeyData } = this.credential;
    const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(body && { "content-type": type }) };
    const identity = clientCertificateData ? { cert: clientCertificateData, key: clientKeyData } : {};
    return new Promise((resolve, reject) => {
      const options = { host, port, method, path, ca: certificateAuthority, headers, timeout: 20_000, ...identity };
      const call = request({ ...options, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          text += part;
        });
        response.on("error", reject);
        response.on("end", () => {
          const status = response.statusCode ?? 0;
          const json = response.headers["content-type"]?.startsWith("application/json");
          resolve({ status, body: json ? JSON.parse(text) : text });
        });
      });
      call.on("timeout", () => call.destroy(new Error(`${method} ${path}: the API server gave no answer in 20 s`)));
      call.on("error", reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** As `send`, and an answer of another kind than those is an error. */
  async require(
    accepted: readonly number[],
    method: string,
    path: string,
    body?: object,
    type?: string,
  ): Promise<Answer> {
    const answer = await this.send(method, path, body, type);
    if (accepted.includes(answer.status)) return answer;
    const reason = typeof answer.body === "string" ? answer.body : answer.body.message;
    throw new Error(`${method} ${path} was answered with ${answer.status}: ${reason}`);
  }
}
