// SPDX-License-Identifier: Apache-2.0
// What the e2e command does with the stack that it makes for the tests, by a stack that only notes what is asked of it.
import { expect, test } from "vitest";
import { onOwnStack, ownShape } from "./own-stack.ts";

class Stack {
  readonly asked: string[][] = [];
  readonly #codes: Readonly<Record<string, number>>;

  /** Exit codes of the commands that do not end well. */
  constructor(codes: Readonly<Record<string, number>> = {}) {
    this.#codes = codes;
  }

  run = async (...args: string[]): Promise<number> => {
    this.asked.push(args);
    return this.#codes[args[0] ?? ""] ?? 0;
  };

  forget = async (): Promise<void> => {
    this.asked.push(["forget"]);
  };

  commands = () => this.asked.map(([name]) => name);
}

test("the stack has the shape that every test can run on, is judged with the arguments given, and leaves nothing", async () => {
  const stack = new Stack();
  expect(await onOwnStack(["--focus", "Services"], false, stack)).toBe(0);
  expect(stack.commands()).toEqual(["up", "e2e", "down", "forget"]);
  expect(stack.asked[0]).toContain(`sansproxy:workers=${ownShape.workers}`);
  expect(stack.asked[0]).toContain("sansproxy:dualStack=true");
  expect(stack.asked[1]).toEqual(["e2e", "--running", "--focus", "Services"]);
});

test.each<[string, Readonly<Record<string, number>>, string[], number]>([
  ["tests that fail", { e2e: 1 }, ["up", "e2e", "down", "forget"], 1],
  ["a run that is interrupted", { e2e: 130 }, ["up", "e2e", "down", "forget"], 130],
  ["a stack that does not come up", { up: 3 }, ["up", "down", "forget"], 3],
  ["a stack that cannot be removed", { down: 4 }, ["up", "e2e", "down"], 4],
  ["tests that fail on a stack that cannot be removed", { e2e: 1, down: 4 }, ["up", "e2e", "down"], 1],
])("%s: the exit code says so, and the stack is taken down", async (_, codes, commands, code) => {
  const stack = new Stack(codes);
  expect(await onOwnStack([], false, stack)).toBe(code);
  expect(stack.commands()).toEqual(commands);
});

test("a stack that is to be kept stays up, whatever came of the tests", async () => {
  const stack = new Stack({ e2e: 1 });
  expect(await onOwnStack([], true, stack)).toBe(1);
  expect(stack.commands()).toEqual(["up", "e2e"]);
});
