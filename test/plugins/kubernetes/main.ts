// SPDX-License-Identifier: Apache-2.0
// Stands in for the official kubernetes plugin 4.34.2: Helm releases by helm, single objects by kubectl.
import type { Provider, Subject } from "../provider.ts";
import { serve } from "../serve.ts";
import type { Dict } from "../values.ts";
import { Cluster } from "./cluster.ts";
import { checkConfiguration, diffConfiguration } from "./configuration.ts";
import * as objects from "./objects.ts";
import * as releases from "./release.ts";

let configured: Cluster | undefined;

const cluster = (): Cluster => {
  if (configured === undefined) throw new Error("the provider is used before it is configured");
  return configured;
};

const isRelease = (subject: Subject): boolean => subject.type === releases.releaseType;

const requireCluster = async (subject: Subject): Promise<Cluster> => {
  const reason = await cluster().unreachable(subject.signal);
  if (reason !== undefined) throw new Error(`configured Kubernetes cluster is unreachable: ${reason}`);
  return cluster();
};

const provider: Provider = {
  name: "kubernetes",
  version: "4.34.2+stand-in",
  checkConfiguration,
  diffConfiguration,

  async configure(configuration) {
    configured?.close();
    configured = new Cluster(configuration);
  },

  async check(subject, olds, news) {
    if (isRelease(subject)) return releases.checkRelease(cluster(), subject, olds, news);
    return objects.checkObject(cluster(), subject, olds, news);
  },

  async diff(subject, _id, oldInputs, _oldOutputs, news) {
    if (isRelease(subject)) return releases.diffRelease(oldInputs, news);
    return objects.diffObject(cluster(), oldInputs, news);
  },

  async create(subject, inputs, preview) {
    const target = preview ? cluster() : await requireCluster(subject);
    if (isRelease(subject)) return releases.createRelease(target, subject, inputs, preview);
    return objects.createObject(target, subject, inputs, preview);
  },

  async read(subject, id, inputs, outputs) {
    const reason = await cluster().unreachable(subject.signal);
    if (reason !== undefined && cluster().options.deleteUnreachable) {
      subject.log("warning", `configured Kubernetes cluster is unreachable, and deleteUnreachable is set: ${reason}`);
      return undefined;
    }
    if (reason !== undefined) throw new Error(`configured Kubernetes cluster is unreachable: ${reason}`);
    if (isRelease(subject)) return releases.readRelease(cluster(), subject, id, inputs, outputs);
    return objects.readObject(cluster(), subject, id, inputs);
  },

  async update(subject, _id, _oldInputs, oldOutputs, news, preview): Promise<Dict> {
    const reason = preview ? undefined : await cluster().unreachable(subject.signal);
    if (reason !== undefined && cluster().options.skipUpdateUnreachable) {
      subject.log("warning", `configured Kubernetes cluster is unreachable, the update is left out: ${reason}`);
      return oldOutputs;
    }
    if (reason !== undefined) throw new Error(`configured Kubernetes cluster is unreachable: ${reason}`);
    if (isRelease(subject)) return releases.updateRelease(cluster(), subject, news, preview);
    return objects.updateObject(cluster(), subject, news, preview);
  },

  async delete(subject, id, _inputs, outputs) {
    const reason = await cluster().unreachable(subject.signal);
    if (reason !== undefined && cluster().options.deleteUnreachable) {
      subject.log("warning", `configured Kubernetes cluster is unreachable, and deleteUnreachable is set: ${reason}`);
      return;
    }
    if (reason !== undefined) {
      throw new Error(
        `configured Kubernetes cluster is unreachable: ${reason}; if it no longer exists, set PULUMI_K8S_DELETE_UNREACHABLE=true to drop its resources from the state`,
      );
    }
    if (isRelease(subject)) await releases.deleteRelease(cluster(), subject, id, outputs);
    else await objects.deleteObject(cluster(), subject, outputs);
  },

  async close() {
    configured?.close();
  },
};

await serve(provider);
