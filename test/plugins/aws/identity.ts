// SPDX-License-Identifier: Apache-2.0
// Simulates IAM: roles, policies, what is attached to what, and identity providers of clusters.
import { newId } from "../clouds/account.ts";
import { type Kind, type Reference, text } from "../clouds/kind.ts";
import { enumeration } from "../clouds/sdk-types.ts";
import type { CheckFailure } from "../provider.ts";
import { type Dict, Unknown } from "../values.ts";
import { account } from "./network.ts";

export const tokens = {
  role: "aws:iam/role:Role",
  policy: "aws:iam/policy:Policy",
  rolePolicy: "aws:iam/rolePolicy:RolePolicy",
  attachment: "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
  instanceProfile: "aws:iam/instanceProfile:InstanceProfile",
  openId: "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
} as const;

const arn = (kind: string, name: string): string => `arn:aws:iam::${account}:${kind}/${name}`;

/** A role that something names, by its name or as `Role.id`, which is the same. */
const byName = (holds: boolean): Reference => ({
  type: tokens.role,
  by: ["id", "name"],
  missing: "NoSuchEntity: The role cannot be found",
  holds,
});
/** A role that something assumes: IAM does not ask who does before it deletes it. */
export const byArn: Reference = {
  type: tokens.role,
  by: ["arn"],
  missing: "InvalidParameterException: The role with that ARN cannot be found",
  holds: false,
};

const policyRule = (inputs: Dict, property: string, principal: boolean): CheckFailure[] => {
  const value = inputs[property];
  if (value === undefined || value instanceof Unknown) return [];
  const wrong = (why: string): CheckFailure[] => [{ property, reason: `MalformedPolicyDocument: ${why}` }];
  let document: { Version?: string; Statement?: unknown };
  try {
    document = JSON.parse(text(value)) as typeof document;
  } catch {
    return wrong("it is not JSON");
  }
  const statements = [document.Statement].flat() as Record<string, unknown>[];
  if (document.Version !== "2012-10-17") return wrong('Version has to be "2012-10-17"');
  for (const statement of statements) {
    if (statement?.["Effect"] !== "Allow" && statement?.["Effect"] !== "Deny")
      return wrong("a statement has no Effect");
    if (statement["Action"] === undefined) return wrong("a statement has no Action");
    if (principal !== (statement["Principal"] !== undefined)) {
      return wrong(principal ? "a statement has no Principal" : "an identity's policy has no Principal");
    }
    if (!principal && statement["Resource"] === undefined) return wrong("a statement has no Resource");
  }
  return [];
};

/** Managed policies that AWS has added since the SDK's list was made. */
const newer = ["arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"];
const managed = (): ReadonlySet<string> => new Set([...enumeration("aws", "iam.ManagedPolicy"), ...newer]);

const role: Kind = {
  token: tokens.role,
  autoName: "name",
  unique: "name",
  immutable: ["name", "namePrefix", "path"],
  computed: ["arn", "createDate", "uniqueId"],
  held: "DeleteConflict: Cannot delete entity, must detach all policies first",
  check: (inputs) => policyRule(inputs, "assumeRolePolicy", true),
  async create(inputs) {
    const name = text(inputs["name"]);
    const createDate = new Date().toISOString();
    return { id: name, outputs: { arn: arn("role", name), createDate, uniqueId: newId("AROA").toUpperCase() } };
  },
};

const policy: Kind = {
  token: tokens.policy,
  autoName: "name",
  unique: "name",
  immutable: ["name", "namePrefix", "path", "description"],
  computed: ["arn", "attachmentCount", "policyId"],
  held: "DeleteConflict: Cannot delete a policy attached to entities",
  check: (inputs) => policyRule(inputs, "policy", false),
  async create(inputs) {
    const id = arn("policy", text(inputs["name"]));
    return { id, outputs: { arn: id, attachmentCount: 0, policyId: newId("ANPA").toUpperCase() } };
  },
};

const rolePolicy: Kind = {
  token: tokens.rolePolicy,
  autoName: "name",
  immutable: ["name", "namePrefix", "role"],
  computed: [],
  references: { role: byName(true) },
  check: (inputs) => policyRule(inputs, "policy", false),
  create: async (inputs) => ({ id: `${text(inputs["role"])}:${text(inputs["name"])}`, outputs: {} }),
};

const attachment: Kind = {
  token: tokens.attachment,
  immutable: ["role", "policyArn"],
  computed: [],
  references: { role: byName(true) },
  check({ policyArn }) {
    const value = text(policyArn);
    if (policyArn === undefined || policyArn instanceof Unknown || value.startsWith(`arn:aws:iam::${account}:`))
      return [];
    if (managed().has(value)) return [];
    const reason = `NoSuchEntity: Policy ${value} does not exist: @pulumi/aws lists none like that in iam.ManagedPolicy`;
    return [{ property: "policyArn", reason }];
  },
  async create(inputs, { account: its }) {
    const value = text(inputs["policyArn"]);
    if (!managed().has(value) && its.get(tokens.policy, value) === undefined) {
      throw new Error(`NoSuchEntity: Policy ${value} does not exist or is not attachable.`);
    }
    return { id: `${text(inputs["role"])}/${value}`, outputs: {} };
  },
};

export const identityKinds: readonly Kind[] = [
  role,
  policy,
  rolePolicy,
  attachment,
  {
    token: tokens.instanceProfile,
    autoName: "name",
    unique: "name",
    immutable: ["name", "namePrefix", "path"],
    computed: ["arn", "uniqueId"],
    references: { role: byName(true) },
    async create(inputs) {
      const name = text(inputs["name"]);
      return { id: name, outputs: { arn: arn("instance-profile", name), uniqueId: newId("AIPA").toUpperCase() } };
    },
  },
  {
    token: tokens.openId,
    immutable: ["url"],
    unique: "url",
    computed: ["arn"],
    async create(inputs) {
      const id = arn("oidc-provider", text(inputs["url"]).replace(/^https:\/\//, ""));
      return { id, outputs: { arn: id } };
    },
  },
];
