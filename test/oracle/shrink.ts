// SPDX-License-Identifier: Apache-2.0
// Makes the objects of a failing case fewer while it still fails, so that a person sees what matters.
import type { Cluster } from "./objects.ts";

/** Each a little smaller than the given objects, larger steps first. */
function* smaller(cluster: Cluster): Generator<Cluster> {
  const { services, endpointSlices } = cluster;
  const half = Math.ceil(services.length / 2);
  if (services.length > 2) {
    yield { ...cluster, services: services.slice(0, half) };
    yield { ...cluster, services: services.slice(half) };
  }
  for (const service of services) yield { ...cluster, services: services.filter((each) => each !== service) };
  const names = new Set(services.map(({ metadata }) => metadata.name));
  const kept = endpointSlices.filter(({ metadata }) => [...names].some((name) => metadata.name.startsWith(`${name}-`)));
  if (kept.length < endpointSlices.length) yield { ...cluster, endpointSlices: kept };
  for (const slice of endpointSlices)
    yield { ...cluster, endpointSlices: endpointSlices.filter((each) => each !== slice) };
  for (const [at, slice] of endpointSlices.entries()) {
    for (const endpoint of slice.endpoints) {
      const endpoints = slice.endpoints.filter((each) => each !== endpoint);
      yield { ...cluster, endpointSlices: endpointSlices.with(at, { ...slice, endpoints }) };
    }
  }
}

/** `attempts` bounds how often `fails` is asked. Returns undefined when the objects alone do not fail. */
export async function shrink(
  cluster: Cluster,
  fails: (cluster: Cluster) => Promise<boolean>,
  attempts: number,
): Promise<Cluster | undefined> {
  let left = attempts;
  if (!(await fails(cluster))) return undefined;
  let current = cluster;
  for (let progress = true; progress; ) {
    progress = false;
    for (const candidate of smaller(current)) {
      if (left-- <= 0) return current;
      if (!(await fails(candidate))) continue;
      current = candidate;
      progress = true;
      break;
    }
  }
  return current;
}
