// SPDX-License-Identifier: Apache-2.0
// The agent's composition root: builds the parts, starts them in order, and stops without taking traffic down.

import { totalmem } from "node:os";
import { parseArgs } from "node:util";
import { type Config, ConfigError, readConfig } from "./config.ts";
import type { AccelerationState } from "./core/acceleration.ts";
import type { Snapshot } from "./core/kubernetes-objects.ts";
import { nodeNetwork, ownNode } from "./core/node-network.ts";
import { ApiClient } from "./shell/api-client.ts";
import { type ClusterChange, ClusterView } from "./shell/cluster-view.ts";
import { EventRecorder } from "./shell/event-recorder.ts";
import { GrowingDatapath } from "./shell/growing-datapath.ts";
import { HealthCheckPorts } from "./shell/health-check-ports.ts";
import { hostAddresses } from "./shell/host-addresses.ts";
import { type HttpAnswers, serveHttp } from "./shell/http-server.ts";
import { findCgroup2 } from "./shell/kernel/cgroup.ts";
import { checkPreconditions } from "./shell/kernel/preconditions.ts";
import { releaseProgramPages } from "./shell/kernel/program-pages.ts";
import { countHealthAnswers } from "./shell/kube-proxy-metrics.ts";
import { startKubeProxyServer } from "./shell/kube-proxy-server.ts";
import { createLog, errorText, type Log } from "./shell/log.ts";
import { Metrics } from "./shell/metrics.ts";
import { NodeDevices } from "./shell/node-devices.ts";
import {
  checkForwarding,
  type Interface,
  missingPlugins,
  presentDevices,
  smallestMtu,
  strictReversePathDevices,
} from "./shell/node-facts.ts";
import { nodePortAdvice } from "./shell/node-port-range.ts";
import { NodeSetup } from "./shell/node-setup.ts";
import { CNI_PLUGINS } from "./shell/pod-network.ts";
import { findDevices, findSandbox } from "./shell/pod-sandboxes.ts";
import { ProgramAttachment } from "./shell/program-attachment.ts";
import { Reconciler } from "./shell/reconciler.ts";
import { preferSmallHeap } from "./shell/small-heap.ts";
import { StaleSockets } from "./shell/stale-sockets.ts";
import { stateReport } from "./shell/state-report.ts";
import { usageOfMaps } from "./shell/sync-status.ts";

/** sysexits' EX_CONFIG: the configuration is wrong, trying again does not help. */
const EXIT_CONFIG = 78;
/** Where the chart mounts the network namespaces that container runtimes pin. */
const NAMESPACES = "/var/run/netns";

const write = (line: string) => void process.stdout.write(line);

try {
  const paths = readArguments(process.argv.slice(2));
  const { NODE_NAME: nodeName, K8S_SERVICE_HOST: apiServerHost } = process.env;
  const config = readConfig(paths.config, { nodeName, apiServerHost });
  await run(config, paths, createLog(config.debug ? "debug" : "info", write, { node: config.nodeName }));
} catch (error) {
  createLog("info", write).error(errorText(error), { name: error instanceof Error ? error.name : "unknown" });
  process.exit(error instanceof ConfigError ? EXIT_CONFIG : 1);
}

function readArguments(args: string[]) {
  const options = {
    config: { type: "string", default: "/etc/sansproxy/config.json" },
    "service-account": { type: "string", default: "/var/run/secrets/kubernetes.io/serviceaccount" },
    objects: { type: "string", default: new URL("../bpf", import.meta.url).pathname },
  } as const;
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    const known = Object.keys(options).map((name) => `--${name}`);
    throw new ConfigError("arguments", args, `${errorText(error)}; it knows ${known.join(", ")}, each with a path`);
  }
}

async function run(config: Config, paths: ReturnType<typeof readArguments>, log: Log): Promise<void> {
  const { nodeName, bpfRoot, cgroupRoot, acceleration } = config;
  await checkForwarding();
  const limitBytes = Math.floor(config.mapMemoryRatio * totalmem());
  // The first lists come while the programs are loaded.
  const opening = GrowingDatapath.open(
    { bpfRoot, cgroupRoot, objectsDir: paths.objects, acceleration },
    limitBytes,
    log,
  );
  const metrics = new Metrics({
    counters: () => kernel.counters(),
    mapUsage: () => usageOfMaps(kernel.mapUsage(), reconciler.account()),
  });
  const client = new ApiClient({
    ...config.apiServer,
    caFile: `${paths["service-account"]}/ca.crt`,
    tokenFile: `${paths["service-account"]}/token`,
  });
  // Nobody is there to follow what is seen before: it is in the first snapshot.
  let follow: (change: ClusterChange) => void = () => undefined;
  const cluster = new ClusterView({
    nodeName,
    client,
    log,
    onChange: (change) => follow(change),
    onRestart: (kind, reason) => metrics.watchRestarts.inc({ kind, reason }),
  });
  cluster.start();
  // Asked for as the client asks, so a name's are mostly known with the first lists.
  const ending = new AbortController();
  let apiAddresses: readonly string[] = [config.apiServer.host];
  const finding = hostAddresses(config.apiServer.host, ending);
  const kernel = await opening;
  const events = new EventRecorder({ client, nodeName, snapshot: () => cluster.snapshot(), log });
  const healthPorts: HealthCheckPorts = new HealthCheckPorts(
    () => !reconciler.status().stuck,
    () => reconciler.trigger(),
  );
  const nodeDevices = new NodeDevices({ nodeName, asked: config.devices });
  const chosenDevices = () => nodeDevices.choose(ownNode(cluster.nodes.objects.values(), nodeName)?.internalIps ?? []);
  const devices = () => chosenDevices().map(({ name }) => name);
  const network = (snapshot: Snapshot) => networkOf(config, snapshot, chosenDevices(), apiAddresses);
  const reconciler: Reconciler = new Reconciler({
    kernel,
    nodeName,
    balancing: config.balancing,
    snapshot: () => cluster.snapshot(),
    resourceVersions: () => cluster.resourceVersions(),
    network,
    room: {
      forServices: (needs) => kernel.makeRoom(needs),
      forNode: (needs) => kernel.makeRoomForNode(needs),
      forConnections: () => kernel.makeRoomForConnections(),
    },
    attachment: new ProgramAttachment({
      kernel,
      devices,
      deviceProblems: () => nodeDevices.problems(),
      presentDevices,
      bypassRuntimeClasses: config.bypassRuntimeClasses,
      makeRoom: (cgroups) => kernel.makeRoomForBypass(cgroups),
      find: (pod) => findSandbox(pod, { cgroup2: findCgroup2(cgroupRoot), nodeDevices: devices() }),
      findDevices: (pods) => findDevices(pods, devices()),
      advise: (of) => {
        warnAboutReversePath(of, log);
        tellAcceleration(kernel.acceleration, log);
      },
      log,
    }),
    staleSockets: new StaleSockets(kernel, config.terminatePodConnections ? NAMESPACES : undefined, log, metrics),
    announce: (problem) => events.record(problem),
    checkHealth: (checks) => {
      healthPorts.sync(checks);
      return healthPorts.problems();
    },
    onReady: () => {
      preferSmallHeap();
      releaseProgramPages();
    },
    log,
    metrics,
  });
  const nodeSetup = new NodeSetup({
    nodeName,
    nodes: cluster.nodes,
    autoDirectNodeRoutes: config.autoDirectNodeRoutes,
    cni: config.cni,
    mtu: () => smallestMtu(devices()),
    log,
  });

  const sources = {
    ...{ nodeName, kernel, reconciler, devices, balancing: config.balancing },
    terminatePodConnections: config.terminatePodConnections,
    snapshot: () => cluster.snapshot(),
    network,
  };
  const answers: HttpAnswers = {
    health: () => ({
      reason: reconciler.status().stuck ? "a change has been waiting too long for its sync" : "",
      nodeEligible: ownNode(cluster.nodes.objects.values(), nodeName)?.eligible ?? true,
      lastUpdated: reconciler.status().lastSync,
    }),
    healthAnswered: countHealthAnswers(metrics.registry),
    state: (path, query) => stateReport(sources, path, query),
    readiness: () => readinessOf(reconciler, nodeSetup, cluster),
    metrics: async () => ({ contentType: metrics.registry.contentType, text: await metrics.registry.metrics() }),
  };
  const http = await serveHttp(config.http, answers, log);
  const port = http.port ?? config.http.port;
  // The operator's command asks over the loopback, also where the configured address is another one.
  const isReachable = ["0.0.0.0", "::", "127.0.0.1"].includes(config.http.host);
  const loopback = isReachable ? undefined : await serveHttp({ host: "127.0.0.1", port }, answers, log);
  const kubeProxyServer = config.kubeProxyHttp && startKubeProxyServer(config.kubeProxyHttp, answers.metrics, log);
  warnAboutPlugins(config, log);
  for (const line of checkPreconditions({ bpfRoot, cgroupRoot }).advice) log.warn(line);
  const ports = nodePortAdvice(config.nodePortRange);
  if (ports !== undefined) log.warn(ports);
  follow = (change) => {
    reconciler.changed(change);
    if (change.kind === "nodes") nodeSetup.trigger();
  };
  reconciler.trigger();
  void finding.then((addresses) => {
    if (ending.signal.aborted) return;
    apiAddresses = addresses;
    reconciler.trigger();
  });
  if (cluster.nodes.synced) nodeSetup.trigger();
  log.info("started", { apiServer: `${config.apiServer.host}:${config.apiServer.port}`, httpPort: port });

  const { promise: stopped, resolve: stop } = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop(signal));
  const signal = await stopped;
  log.info("stopping; programs, maps, routes and CNI configuration stay, so traffic flows on", { signal });
  for (const listener of [http, loopback, kubeProxyServer]) listener?.stop();
  healthPorts.close();
  ending.abort();
  await Promise.all([cluster.stop(), events.stop(), reconciler.stop(), nodeSetup.stop()]);
  client.close();
  kernel.close();
}

function networkOf(config: Config, snapshot: Snapshot, devices: readonly Interface[], apiAddresses: readonly string[]) {
  return nodeNetwork([...snapshot.nodes.objects.values()], {
    ...config,
    apiEndpoints: apiAddresses.map((address) => ({ address, port: config.apiServer.port })),
    dsr: config.balancing.mode !== "snat",
    deviceAddresses: devices.flatMap(({ addresses }) => addresses),
  });
}

function readinessOf(reconciler: Reconciler, nodeSetup: NodeSetup, cluster: ClusterView) {
  const { lastSync, reason, ...status } = reconciler.status();
  const ready = status.ready && nodeSetup.ready;
  const reasons = [reason, nodeSetup.reason, ...cluster.errors()].filter((text) => text !== "");
  return { ...status, ready, reason: reasons.join("; "), lastSync: lastSync?.toISOString() ?? null };
}

function warnAboutPlugins({ cni }: Config, log: Log): void {
  const missing = cni.install ? missingPlugins(CNI_PLUGINS, cni.binPath) : [];
  if (missing.length > 0)
    log.warn(`the CNI plugins ${missing.join(", ")} are not in ${cni.binPath}: install them, or correct cni.binPath`);
}

function tellAcceleration({ mode, devices, refused }: AccelerationState, log: Log): void {
  if (mode !== "disabled") log.info("forwarding by XDP", { mode, devices, refused });
}

function warnAboutReversePath(devices: readonly string[], log: Log): void {
  const strict = strictReversePathDevices(devices);
  if (strict.length > 0)
    log.warn(
      `rp_filter is strict on ${strict.join(", ")}: answers that come back another way are dropped; set it to 2 or 0`,
    );
}
