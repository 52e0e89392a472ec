// SPDX-License-Identifier: Apache-2.0
// Stands in for the `aws` command with the simulated account: the few commands that kubeconfigs and the components run.
import { parseArgs } from "node:util";
import { Account, type Stored } from "../clouds/account.ts";
import { clientOf, folderOf } from "../clouds/clusters/cluster.ts";
import { text, valuesAt } from "../clouds/kind.ts";
import { clusterId } from "./clusters.ts";
import { tokens } from "./network.ts";

const refuse = (message: string): never => {
  throw new Error(message);
};

const given = process.argv.slice(2);
const { positionals, values } = parseArgs({
  // The command line of `aws` takes several words after --filters.
  args: given.filter((word) => word !== "--filters" && !word.startsWith("Name=")),
  allowPositionals: true,
  options: {
    output: { type: "string" },
    query: { type: "string" },
    region: { type: "string" },
    profile: { type: "string" },
    "role-arn": { type: "string" },
    "cluster-name": { type: "string" },
    "network-interface-id": { type: "string" },
    "no-cli-pager": { type: "boolean" },
  },
});
const filters = given.filter((word) => word.startsWith("Name="));

const say = (answer: object): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

/** `Name=vpc-id,Values=a,b` */
const filterOf = (written: string): { name: string; values: string[] } => {
  const match = /^Name=([^,]+),Values=(.+)$/.exec(written);
  if (match === null) return refuse(`"${written}" is no filter: Name=NAME,Values=VALUE`);
  return { name: match[1] ?? "", values: (match[2] ?? "").split(",") };
};

/** What a filter of describe-network-interfaces looks at. */
const facts = (account: Account, { outputs, name }: Stored): Record<string, string[]> => {
  const subnet = account.get(tokens.subnet, text(outputs["subnetId"]));
  const tags = outputs["tags"] === undefined ? [] : Object.entries(outputs["tags"] as Record<string, string>);
  return {
    "vpc-id": [text(subnet?.outputs["vpcId"])],
    "subnet-id": [text(outputs["subnetId"])],
    status: [text(outputs["status"]) || "in-use"],
    description: [text(outputs["description"]) || name],
    "group-id": valuesAt(outputs, "securityGroups").map(text),
    "tag-key": tags.map(([key]) => key),
    ...Object.fromEntries(tags.map(([key, value]) => [`tag:${key}`, [value]])),
  };
};

const describeInterfaces = (account: Account, written: readonly string[]): void => {
  const wantedFacts = written.map(filterOf);
  const fits = (stored: Stored): boolean => {
    const known = facts(account, stored);
    return wantedFacts.every(({ name, values: wanted }) => {
      if (known[name] === undefined && !name.startsWith("tag:")) return refuse(`the filter ${name} is not simulated`);
      return (known[name] ?? []).some((value) =>
        wanted.some((one) =>
          new RegExp(`^${one.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`).test(value),
        ),
      );
    });
  };
  const found = account.list(tokens.interface).filter(fits);
  if (values.query !== undefined) {
    if (values.query !== "NetworkInterfaces[].NetworkInterfaceId" || values.output !== "text")
      refuse(`the query ${values.query} with --output ${values.output} is not simulated`);
    process.stdout.write(`${found.map(({ id }) => id).join("\t")}\n`);
    return;
  }
  say({
    NetworkInterfaces: found.map((one) => ({
      NetworkInterfaceId: one.id,
      Status: facts(account, one)["status"]?.[0],
      SubnetId: one.outputs["subnetId"],
    })),
  });
};

const deleteInterface = (account: Account, id: string): void => {
  const found = account.get(tokens.interface, id);
  if (found === undefined)
    throw new Error(`An error occurred (InvalidNetworkInterfaceID.NotFound): ${id} does not exist`);
  if (facts(account, found)["status"]?.[0] !== "available") {
    throw new Error(`An error occurred (InvalidParameterValue): Network interface '${id}' is currently in use.`);
  }
  account.remove(tokens.interface, id);
  account.note("delete", tokens.interface, id, "done");
};

const getToken = (account: Account, name: string): void => {
  const status = clientOf(folderOf(account, clusterId(name))).credential;
  say({ kind: "ExecCredential", apiVersion: "client.authentication.k8s.io/v1beta1", spec: {}, status });
};

const answer = (account: Account, command: string): void => {
  const required = (name: "cluster-name" | "network-interface-id"): string =>
    values[name] ?? refuse(`--${name} is required`);
  if (command === "eks get-token") getToken(account, required("cluster-name"));
  else if (command === "ec2 describe-network-interfaces") describeInterfaces(account, filters);
  else if (command === "ec2 delete-network-interface") deleteInterface(account, required("network-interface-id"));
  else
    refuse(
      `"${command}" is not simulated: eks get-token, ec2 describe-network-interfaces and delete-network-interface are`,
    );
};

try {
  answer(Account.open(), positionals.join(" "));
} catch (error) {
  process.stderr.write(`simulated aws: ${error instanceof Error ? error.message : error}\n`);
  // As the official command for an error that the service reports.
  process.exitCode = 254;
}
