// SPDX-License-Identifier: Apache-2.0
// The rules as a Pulumi policy pack: every one mandatory, unless the user's configuration says otherwise.

import {
  PolicyPack,
  type PolicyResource,
  type ResourceValidationPolicy,
  type StackValidationPolicy,
  UnknownValueError,
} from "@pulumi/policy";
import {
  type LinkedResource,
  type Plain,
  type ResourceRule,
  type RuleText,
  type StackRule,
  unknownYet,
} from "./rule.ts";
import { resourceRules, stackRules } from "./rules.ts";

/** Reads what the SDK guards: in it, looking at an unknown value throws. */
function read(from: object, key: string): unknown {
  try {
    return plain((from as Record<string, unknown>)[key]);
  } catch (error) {
    if (error instanceof UnknownValueError) return unknownYet;
    throw error;
  }
}

function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return Object.keys(value).map((index) => read(value, index));
  return Object.fromEntries(Object.keys(value).map((key) => [key, read(value, key)]));
}

const text = (rule: RuleText) => ({
  name: rule.name,
  description: rule.description,
  remediationSteps: rule.remedy,
  enforcementLevel: "mandatory" as const,
});

const message = (name: string, reason: string, { remedy }: RuleText): string => `${name} ${reason}. ${remedy}`;

/** Inputs of resources by URN. */
type Inputs = Map<string, Plain>;

const resourcePolicy = (rule: ResourceRule, inputs: Inputs): ResourceValidationPolicy => ({
  ...text(rule),
  validateResource(args, report) {
    const { urn, type, name } = args;
    const { additionalSecretOutputs } = args.opts;
    const props = plain(args.props) as Plain;
    inputs.set(urn, props);
    const resource = { urn, type, name, additionalSecretOutputs, props };
    for (const reason of rule.violations(resource)) report(message(name, reason, rule));
  },
});

/** The stack's resources with their inputs, linked with each other as the SDK's are. */
function linked(resources: readonly PolicyResource[], inputs: Inputs): LinkedResource[] {
  type Open = LinkedResource & { dependencies: LinkedResource[]; parent: LinkedResource | undefined };
  const byUrn = new Map<string, Open>(
    resources.map(({ urn, type, name, props, opts }) => [
      urn,
      {
        urn,
        type,
        name,
        props: inputs.get(urn) ?? (plain(props) as Plain),
        additionalSecretOutputs: opts.additionalSecretOutputs,
        dependencies: [],
        parent: undefined,
      },
    ]),
  );
  for (const { urn, parent, dependencies, propertyDependencies } of resources) {
    const link = byUrn.get(urn) as Open;
    const all = new Set([...dependencies, ...Object.values(propertyDependencies).flat()].map((to) => to.urn));
    link.dependencies = [...all].flatMap((to) => byUrn.get(to) ?? []);
    (link as { parent: LinkedResource | undefined }).parent = parent === undefined ? undefined : byUrn.get(parent.urn);
  }
  return [...byUrn.values()];
}

const stackPolicy = (rule: StackRule, inputs: Inputs): StackValidationPolicy => ({
  ...text(rule),
  validateStack(args, report) {
    for (const { resource, reason } of rule.violations(linked(args.resources, inputs))) {
      report(message(resource.name, reason, rule), resource.urn);
    }
  },
});

/**
 * All rules as policies. The engine tells those for a stack the outputs of each resource, and in a preview of a cluster
 * that is not there yet its Helm release has none: so they are judged by the inputs, which the engine told the policies
 * for single resources before.
 */
export function policies(): (ResourceValidationPolicy | StackValidationPolicy)[] {
  const inputs: Inputs = new Map();
  return [
    ...resourceRules.map((rule) => resourcePolicy(rule, inputs)),
    ...stackRules.map((rule) => stackPolicy(rule, inputs)),
  ];
}

/** Serves the pack to the engine that started this process. */
export function startPolicyPack(): void {
  new PolicyPack("sansproxy", {
    description: "Keeps kube-proxy out of a stack on every road, and the datapath in before its nodes.",
    enforcementLevel: "mandatory",
    policies: policies(),
  });
}
