// SPDX-License-Identifier: Apache-2.0
// The `sansproxy` command: what a person, an update or a probe Pod runs. Each subcommand loads only what it needs.
import { Command, CommanderError, Option } from "commander";
import { parseFrontend } from "./operator/arguments.ts";
import type { AskedFrontend, OperatorOptions } from "./operator/operator-commands.ts";
import { parseDuration, parseNodeNames, parsePort } from "./verify/arguments.ts";
import type { Origin } from "./verify/checks.ts";
import { type DatapathName, datapathNames } from "./verify/datapath.ts";

const EXIT_USAGE = 2;
const AGENT_PORT = 10_256;

const timeoutOption = (description: string, fallback: string): Option =>
  new Option("--timeout <duration>", description).argParser(parseDuration).default(parseDuration(fallback), fallback);

const createProgram = (): Command => {
  const program = new Command("sansproxy")
    .description("Kubernetes without kube-proxy: proves it on a live cluster.")
    .addHelpText(
      "after",
      "\nBesides: sansproxy --version, and in the npm package sansproxy review, for the preview of an update (see its --help).",
    )
    .showSuggestionAfterError()
    .exitOverride();

  program
    .command("verify")
    .description("Prove on a live cluster that no kube-proxy is left and that Services answer from every node.")
    .option(
      "--kubeconfig <file>",
      "kubeconfig, or - for standard input (default: KUBECONFIG, .sansproxy/kubeconfig, ~/.kube/config)",
    )
    .option("--expect-nodes <names>", "nodes that must be there, separated by commas", parseNodeNames)
    .addOption(new Option("--datapath <name>", "what serves Services").choices(datapathNames).default("agent"))
    .option("--image <image>", "image of the probes (default: the image of the agent in the cluster)")
    .addOption(timeoutOption("how long to wait for the cluster and for its Services", "5m"))
    .addOption(new Option("--output <format>", "what standard output gets").choices(["table", "json"]).default("table"))
    .addHelpText("after", "\nExit status: 0 when every check passed, 1 when one failed, 2 when called wrongly.")
    .allowExcessArguments(false)
    .action(async (options: Record<string, unknown>) => {
      const { runVerifyCommand } = await import("./verify/verify-command.ts");
      process.exitCode = await runVerifyCommand({
        kubeconfig: options["kubeconfig"] as string | undefined,
        expectNodes: (options["expectNodes"] as readonly string[] | undefined) ?? [],
        datapath: options["datapath"] as DatapathName,
        image: options["image"] as string | undefined,
        timeoutMs: options["timeout"] as number,
        output: options["output"] as "table" | "json",
      });
    });

  program
    .command("echo")
    .description("Serve as a test backend: answer each request over TCP and UDP with the names of this node and Pod.")
    .requiredOption("--port <port>", "port for TCP and UDP; 0 lets the system choose", parsePort)
    .option("--host <address>", "address to listen on", "0.0.0.0")
    .allowExcessArguments(false)
    .action(async (options: { host: string; port: number }) => {
      const { runEchoCommand } = await import("./verify/echo/echo-command.ts");
      process.exitCode = await runEchoCommand(options);
    });

  program
    .command("probe")
    .description("Carry out a verification's checks on this node and report them; verify starts it in the cluster.")
    .addOption(new Option("--from <origin>", "the network it runs in").choices(["pod", "host"]).makeOptionMandatory())
    .requiredOption("--node <name>", "name of this node")
    .requiredOption("--targets <file>", "what to reach: JSON written by verify")
    .addOption(timeoutOption("how long to keep trying", "60s"))
    .allowExcessArguments(false)
    .action(async (options: { from: Origin; node: string; targets: string; timeout: number }) => {
      const { runProbeCommand } = await import("./verify/probe/probe-command.ts");
      const { from, node, targets, timeout: timeoutMs } = options;
      process.exitCode = await runProbeCommand({ from, node, targets, timeoutMs });
    });

  program
    .command("release-load-balancers")
    .description("Delete all Services of type LoadBalancer, and wait until the cloud has deleted what they stood for.")
    .option("--kubeconfig <file>", "kubeconfig, or - for standard input (default: as for verify)")
    .addOption(timeoutOption("how long the cloud may take", "10m"))
    .addHelpText(
      "after",
      "\nExit status: 0 when none is left, 1 when one is left or the API server did not answer, 2 when called wrongly.",
    )
    .allowExcessArguments(false)
    .action(async (options: { kubeconfig?: string; timeout: number }) => {
      const { runReleaseCommand } = await import("./operator/release-load-balancers.ts");
      process.exitCode = await runReleaseCommand(options.kubeconfig, options.timeout);
    });

  addOperatorCommands(program);
  return program;
};

/** They ask the agent of this node: on the node, or by `kubectl exec` in its Pod. */
function addOperatorCommands(program: Command): void {
  const add = (parent: Command, name: string, description: string, wrong = "the agent does not answer"): Command =>
    parent
      .command(name)
      .description(description)
      .addOption(new Option("--port <port>", "the agent's HTTP port").argParser(parsePort).default(AGENT_PORT))
      .addOption(
        new Option("-o, --output <format>", "what standard output gets").choices(["table", "json"]).default("table"),
      )
      .addHelpText("after", `\nExit status: 0, 1 when ${wrong}, 2 when called wrongly.`)
      .allowExcessArguments(false);
  const write = (text: string) => void process.stdout.write(text);
  const load = () => import("./operator/operator-commands.ts");

  add(
    program,
    "status",
    "Say how this node's agent serves Services: modes, counts, map fill, drift, problems.",
    "the agent is not ready, is stuck or does not answer",
  ).action(async (options: OperatorOptions) => {
    process.exitCode = await (await load()).runStatus(options, write);
  });
  const service = program.command("service").description("Services as this node serves them.");
  add(service, "list", "List each frontend of each Service and how many backends it has.").action(
    async (options: OperatorOptions) => {
      process.exitCode = await (await load()).runServiceList(options, write);
    },
  );
  add(
    program,
    "explain",
    "Follow ADDRESS:PORT to each backend, and say why each endpoint is in or out.",
    "it is no frontend on this node or the agent does not answer",
  )
    .argument("<address:port>", "such as 10.96.0.1:443 or [fd00::1]:443", parseFrontend)
    .action(async (asked: AskedFrontend, options: OperatorOptions) => {
      process.exitCode = await (await load()).runExplain(asked, options, write);
    });
  add(program, "drops", "Count what this node dropped or refused, by reason, since its maps were made.").action(
    async (options: OperatorOptions) => {
      process.exitCode = await (await load()).runDrops(options, write);
    },
  );
}

try {
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  } else {
    const { name, message } = error as Error;
    process.stderr.write(`sansproxy: ${message}\n`);
    process.exitCode = name === "UsageError" ? EXIT_USAGE : 1;
  }
}
