// SPDX-License-Identifier: Apache-2.0
// Checks which Pods have their sockets left alone, and who is told that it cannot be.

import { expect, test } from "vitest";
import { readPod } from "../../../agent/core/kubernetes-objects.ts";
import type { Problem } from "../../../agent/core/problem.ts";
import { bypassingPods } from "../../../agent/core/socket-bypass.ts";

interface Case {
  readonly annotation?: string;
  readonly runtimeClassName?: string;
  readonly hostNetwork?: boolean;
  readonly ips?: string[];
  readonly phase?: string;
}

const asked = ({ annotation, runtimeClassName, hostNetwork, ips = ["10.244.0.5"], phase = "Running" }: Case) => {
  const annotations = annotation === undefined ? {} : { "sansproxy.io/socket-lb": annotation };
  const pod = readPod({
    metadata: { namespace: "ns", name: "p", uid: "u-1", annotations },
    spec: { runtimeClassName, hostNetwork },
    status: { phase, podIPs: ips.map((ip) => ({ ip })) },
  });
  const problems: Problem[] = [];
  const bypassing = bypassingPods([pod], ["kata", "gvisor"], problems).map(({ name, uid }) => `${name} ${uid}`);
  return { bypassing, said: problems.map(({ message }) => message).join() };
};

const cases: [what: string, pod: Case, bypasses: boolean, said: RegExp][] = [
  ["a Pod that says nothing", {}, false, /^$/],
  ["one that asks", { annotation: "false" }, true, /^$/],
  ["one of a RuntimeClass with a kernel of its own", { runtimeClassName: "kata" }, true, /^$/],
  ["one of another RuntimeClass", { runtimeClassName: "runc-slow" }, false, /^$/],
  ["one of such a class that wants it all the same", { runtimeClassName: "kata", annotation: "true" }, false, /^$/],
  ["one that writes what means nothing", { annotation: "no" }, false, /"no" is neither/],
  ["one of such a class that does", { annotation: "no", runtimeClassName: "kata" }, true, /"no" is neither/],
  ["one in the host's network", { annotation: "false", hostNetwork: true }, false, /no device of its own/],
  ["one without addresses yet", { annotation: "false", ips: [] }, false, /^$/],
];

test.each(cases)("%s: %j leaves its sockets alone: %s", (_, pod, bypasses, said) => {
  const found = asked(pod);
  expect(found.bypassing).toEqual(bypasses ? ["ns/p u-1"] : []);
  expect(found.said).toMatch(said);
});
