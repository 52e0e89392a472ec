// SPDX-License-Identifier: Apache-2.0
// The workflow template is sound YAML with the least permissions, and its script keeps exactly one comment per stack.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseDocument } from "yaml";

const file = resolve(import.meta.dirname, "../../../stacks/templates/workflow/sansproxy-review.yml");

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: { readonly script?: string };
}
interface Job {
  readonly permissions: Record<string, string>;
  readonly "timeout-minutes": number;
  readonly if?: string;
  readonly steps: readonly Step[];
}
const document = parseDocument(readFileSync(file, "utf8"), { strict: true, uniqueKeys: true });
const workflow = document.toJS() as { permissions: object; on: object; jobs: Record<string, Job> };

describe("the workflow", () => {
  test("is YAML without errors or doubled keys", () => {
    expect(document.errors).toEqual([]);
    expect(document.warnings).toEqual([]);
  });

  test("gives the job that runs foreign code no right to write, and the one that writes no foreign code", () => {
    expect(workflow.permissions).toEqual({});
    const { review, comment } = workflow.jobs;
    expect(review?.permissions).toEqual({ contents: "read" });
    expect(comment?.permissions).toEqual({ "pull-requests": "write" });
    expect(comment?.steps.some(({ uses }) => uses?.startsWith("actions/checkout"))).toBe(false);
    expect(JSON.stringify(comment)).not.toContain("secrets.");
    expect(Object.keys(workflow.on)).toEqual(["pull_request"]);
    expect(review?.if).toContain("head.repo.full_name == github.repository");
  });

  test("puts no text of the pull request into a shell", () => {
    const runs = Object.values(workflow.jobs).flatMap(({ steps }) =>
      steps.flatMap(({ run, with: given }) => [run ?? "", given?.script ?? ""]),
    );
    expect(runs.join("\n")).not.toContain("${{");
  });

  test("names every action by its commit, with the version beside it, and ends in time", () => {
    for (const job of Object.values(workflow.jobs)) {
      expect(job["timeout-minutes"]).toBeLessThanOrEqual(30);
      for (const { uses } of job.steps) if (uses !== undefined) expect(uses).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
    }
    const lines = readFileSync(file, "utf8").match(/uses: .*/g) ?? [];
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/ # v\d+\.\d+\.\d+(;|$)/);
  });
});

describe("the comment", () => {
  const marker = "<!-- sansproxy-review:shop/prod -->";
  const bot = { type: "Bot", login: "github-actions[bot]" };
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sansproxy-workflow-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const script =
    workflow.jobs["comment"]?.steps.find(({ with: given }) => given?.script !== undefined)?.with?.script ?? "";
  type Call = readonly [method: string, args: Record<string, unknown>];

  /** Runs the script as actions/github-script does, in a folder of its own, on these comments. */
  const run = async (review: string, comments: readonly object[]): Promise<Call[]> => {
    const calls: Call[] = [];
    const path = join(folder, "review.md");
    writeFileSync(path, review);
    const recorded = (method: string) => async (args: Record<string, unknown>) => void calls.push([method, args]);
    const listComments = () => {
      throw new Error("listComments gives one page only: paginate it");
    };
    const issues = { listComments, createComment: recorded("create"), updateComment: recorded("update") };
    const github = {
      rest: { issues },
      paginate: async (method: unknown) => {
        expect(method).toBe(listComments);
        return comments;
      },
    };
    const context = { repo: { owner: "o", repo: "r" }, payload: { pull_request: { number: 7 } } };
    const require = (name: string) => {
      expect(name).toBe("node:fs");
      return {
        readFileSync: (asked: string, encoding: BufferEncoding) => {
          expect(asked).toBe("review.md");
          return readFileSync(path, encoding);
        },
      };
    };
    const AsyncFunction = (async () => {}).constructor as new (
      ...args: string[]
    ) => (...args: unknown[]) => Promise<void>;
    await new AsyncFunction("github", "context", "require", script)(github, context, require);
    return calls;
  };

  test("is made where there is none, whatever others have written", async () => {
    const others = [
      { id: 1, user: { type: "User", login: "mallory" }, body: `${marker}\nmine` },
      { id: 2, user: bot, body: "<!-- sansproxy-review:shop/staging -->\nother stack" },
      { id: 3, user: null, body: null },
    ];
    expect(await run(`${marker}\nnew\n`, others)).toEqual([
      ["create", { owner: "o", repo: "r", issue_number: 7, body: `${marker}\nnew\n` }],
    ]);
  });

  test("is edited where it is, and left alone when it says the same", async () => {
    const own = { id: 9, user: bot, body: `${marker}\nold\n` };
    expect(await run(`${marker}\nnew\n`, [own])).toEqual([
      ["update", { owner: "o", repo: "r", comment_id: 9, body: `${marker}\nnew\n` }],
    ]);
    expect(await run(own.body, [own])).toEqual([]);
  });

  test("is cut at a line's end where GitHub would refuse it", async () => {
    const [call] = await run(`${marker}\n${"a line of text\n".repeat(10_000)}`, []);
    const body = String(call?.[1]["body"]);
    expect(body.length).toBeLessThan(65_536);
    expect(body).toContain("see the artifact");
    expect(body).toMatch(/a line of text\n\n\*The review/);
  });

  test("is not made of a file that is no review", async () => {
    await expect(run("# anything", [])).rejects.toThrow("does not begin with the marker");
  });
});
