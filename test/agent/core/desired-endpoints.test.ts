// SPDX-License-Identifier: Apache-2.0
// Holds the choice of endpoints to the Service proxy contract, case by case.
import { describe, expect, test } from "vitest";
import { NODE } from "./arbitrary-objects.ts";
import { b, draining, dying, notReady, ready, served, type TestSlice, WEB } from "./served-services.ts";

describe("endpoints of a Service", () => {
  const cases: [what: string, endpoints: TestSlice["endpoints"], expected: string][] = [
    [
      "are the ready ones",
      [
        ["10.0.0.1", ready],
        ["10.0.0.2", notReady],
        ["10.0.0.3", draining],
      ],
      b("10.0.0.1"),
    ],
    [
      "are those that still serve while they terminate, when none is ready",
      [
        ["10.0.0.1", draining],
        ["10.0.0.2", dying],
        ["10.0.0.3", notReady],
      ],
      b("10.0.0.1"),
    ],
    [
      "are none when none is ready and none serves",
      [
        ["10.0.0.1", dying],
        ["10.0.0.2", notReady],
      ],
      "",
    ],
    ["count as ready when nothing is said of them", [["10.0.0.1", {}]], b("10.0.0.1")],
    [
      "are the terminating ones that the Service publishes as ready (publishNotReadyAddresses)",
      [["10.0.0.1", { ready: true, serving: false, terminating: true }]],
      b("10.0.0.1"),
    ],
    ["count as serving when nothing is said of it", [["10.0.0.1", { ready: false, terminating: true }]], b("10.0.0.1")],
    [
      "are listed once",
      [
        ["10.0.0.1", ready],
        ["10.0.0.1", ready],
      ],
      b("10.0.0.1"),
    ],
    [
      "leave out what is no address",
      [
        ["pod.example", ready],
        ["10.0.0.2", ready],
      ],
      b("10.0.0.2"),
    ],
  ];
  test.each(cases)("%s", (_, endpoints, expected) => {
    expect(served([{}], [{ endpoints }]).frontends).toEqual({ [WEB]: expected });
  });

  test("are gathered from all its slices, and the better word counts for one in two of them", () => {
    const slices: TestSlice[] = [
      {
        name: "1",
        endpoints: [
          ["10.0.0.1", notReady],
          ["10.0.0.2", ready],
        ],
      },
      { name: "2", endpoints: [["10.0.0.1", ready]] },
    ];
    expect(served([{}], slices).frontends[WEB]).toBe(b("10.0.0.1", "10.0.0.2"));
    expect(served([{}], slices.reverse()).frontends[WEB]).toBe(b("10.0.0.1", "10.0.0.2"));
  });

  test("have the port that their own slice gives for the name", () => {
    const spec = {
      ports: [
        { name: "http", port: 80, targetPort: "web" },
        { name: "admin", port: 81 },
      ],
    };
    const slices: TestSlice[] = [
      {
        name: "1",
        ports: [
          { name: "http", port: 8080 },
          { name: "admin", port: 9000 },
        ],
        endpoints: [["10.0.0.1", ready]],
      },
      { name: "2", ports: [{ name: "http", port: 3000 }], endpoints: [["10.0.0.2", ready]] },
      { name: "3", ports: [{ name: "http" }], endpoints: [["10.0.0.3", ready]] },
    ];
    expect(served([{ spec }], slices).frontends).toEqual({
      [WEB]: "6/10.0.0.1/8080 6/10.0.0.2/3000",
      "6/10.96.0.1/81 cluster": "6/10.0.0.1/9000",
    });
  });

  test("are told apart by protocol on one port number", () => {
    const spec = {
      ports: [
        { name: "dns", port: 53, protocol: "UDP" },
        { name: "dns-tcp", port: 53, protocol: "TCP" },
      ],
    };
    const ports = [
      { name: "dns", port: 5353, protocol: "UDP" },
      { name: "dns-tcp", port: 5354, protocol: "TCP" },
    ];
    expect(served([{ spec }], [{ ports, endpoints: [["10.0.0.1", ready]] }]).frontends).toEqual({
      "17/10.96.0.1/53 cluster": "17/10.0.0.1/5353",
      "6/10.96.0.1/53 cluster": "6/10.0.0.1/5354",
    });
  });

  test("are those of its own family on each of a dual-stack Service's addresses", () => {
    const spec = { clusterIPs: ["10.96.0.1", "FD00:0::1"] };
    const slices: TestSlice[] = [
      { name: "4", endpoints: [["10.0.0.1", ready]] },
      { name: "6", addressType: "IPv6", endpoints: [["fd01:0:0::0001", ready]] },
    ];
    expect(served([{ spec }], slices).frontends).toEqual({
      [WEB]: b("10.0.0.1"),
      "6/fd00::1/80 cluster": b("fd01::1"),
    });
  });

  test("of a namesake in another slice, or of a headless one, are not taken", () => {
    const slices: TestSlice[] = [
      { name: "1", service: "web2", endpoints: [["10.0.0.1", ready]] },
      { name: "2", labels: { "service.kubernetes.io/headless": "" }, endpoints: [["10.0.0.2", ready]] },
    ];
    expect(served([{}], slices).frontends).toEqual({ [WEB]: "" });
  });

  test("are taken though their slice still says that another proxy serves the Service", () => {
    const labels = { "service.kubernetes.io/service-proxy-name": "x" };
    expect(served([{}], [{ labels, endpoints: [["10.0.0.2", ready]] }]).frontends).toEqual({ [WEB]: b("10.0.0.2") });
  });

  const here: TestSlice = {
    endpoints: [
      ["10.0.0.1", ready, NODE],
      ["10.0.0.2", ready, "node-2"],
    ],
  };
  const drainingHere: TestSlice = {
    endpoints: [
      ["10.0.0.1", draining, NODE],
      ["10.0.0.2", ready, "node-2"],
    ],
  };
  const none: TestSlice = { endpoints: [["10.0.0.2", ready, "node-2"]] };
  test.each([
    ["those on this node", here, b("10.0.0.1")],
    ["terminating ones on this node rather than ready ones elsewhere", drainingHere, b("10.0.0.1")],
    ["none when this node has none", none, ""],
  ])("are with traffic policy Local %s", (_, endpoints, expected) => {
    const internal = { internalTrafficPolicy: "Local" };
    expect(served([{ spec: internal }], [endpoints]).frontends[WEB]).toBe(expected);
    const external = { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }], externalTrafficPolicy: "Local" };
    const { frontends } = served([{ spec: external }], [endpoints]);
    const everywhere = frontends[WEB] ?? "";
    const both = expected === everywhere ? expected : `${everywhere} | ${expected}`;
    expect(frontends["6/*4/30080 external"]).toBe(both);
    expect(frontends[WEB]).toContain("10.0.0.2");
  });
});
