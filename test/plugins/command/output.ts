// SPDX-License-Identifier: Apache-2.0
// Collects what a command says, for its outputs and its error text, and shows it line by line while it runs.

export type Logging = "stdout" | "stderr" | "stdoutAndStderr" | "none";

export interface Said {
  readonly stdout: string;
  readonly stderr: string;
}

export type Stream = "stdout" | "stderr";

const withoutLastNewline = (text: string): string => (text.endsWith("\n") ? text.slice(0, -1) : text);

export class Output {
  #chunks: { readonly stream: Stream; readonly bytes: Buffer }[] = [];
  #unfinished: Buffer = Buffer.alloc(0);
  readonly #show: (line: string) => void;
  readonly #shown: ReadonlySet<Stream>;

  constructor(logging: Logging | undefined, show: (line: string) => void) {
    this.#show = show;
    const shown = { stdout: ["stdout"], stderr: ["stderr"], none: [], stdoutAndStderr: ["stdout", "stderr"] } as const;
    this.#shown = new Set<Stream>(shown[logging ?? "stdoutAndStderr"]);
  }

  add(stream: Stream, bytes: Buffer): void {
    this.#chunks.push({ stream, bytes });
    if (!this.#shown.has(stream)) return;
    const waiting = Buffer.concat([this.#unfinished, bytes]);
    const end = waiting.lastIndexOf(0x0a);
    this.#unfinished = waiting.subarray(end + 1);
    if (end < 0) return;
    for (const line of waiting.subarray(0, end).toString("utf8").split("\n")) this.#show(line);
  }

  /** Both streams as they came, for an error text. */
  get combined(): string {
    return Buffer.concat(this.#chunks.map(({ bytes }) => bytes)).toString("utf8");
  }

  finish(): Said {
    if (this.#unfinished.length > 0) this.#show(this.#unfinished.toString("utf8"));
    this.#unfinished = Buffer.alloc(0);
    return { stdout: this.#all("stdout"), stderr: this.#all("stderr") };
  }

  #all(wanted: Stream): string {
    const bytes = this.#chunks.filter(({ stream }) => stream === wanted).map((chunk) => chunk.bytes);
    return withoutLastNewline(Buffer.concat(bytes).toString("utf8"));
  }
}

/** The error of a failed command: like the official plugin's, it holds the command and its output, never its stdin. */
export const failure = (why: string, command: string, output: Output): Error =>
  new Error(`${why}: running ${JSON.stringify(command)}:\n${output.combined}`);
