// SPDX-License-Identifier: Apache-2.0
// The words of the echo protocol: a line with a nonce in, one line of JSON out, the same over TCP and UDP.

export const MAX_REQUEST_BYTES = 128;
const REQUEST = /^sansproxy-echo ([0-9a-z-]{1,64})\n$/;

/** Who answered, and what the peer's address looked like from there. */
export interface EchoAnswer {
  readonly nonce: string;
  readonly node: string;
  readonly pod: string;
  readonly client: string;
}

export const formatRequest = (nonce: string): string => `sansproxy-echo ${nonce}\n`;

/** The nonce, or undefined for anything that is not a complete request. */
export const parseRequest = (text: string): string | undefined => REQUEST.exec(text)?.[1];

export const formatAnswer = (answer: EchoAnswer): string => `${JSON.stringify(answer)}\n`;

/** Throws a sentence when the text is not an answer to this nonce. */
export const parseAnswer = (text: string, nonce: string): EchoAnswer => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`something else than the test backend answered: ${JSON.stringify(text.slice(0, 80))}`);
  }
  const answer = value as Partial<EchoAnswer> | null;
  if (typeof answer?.node !== "string" || typeof answer.pod !== "string" || typeof answer.client !== "string") {
    throw new Error(`something else than the test backend answered: ${JSON.stringify(text.slice(0, 80))}`);
  }
  if (answer.nonce !== nonce) throw new Error(`the answer of ${answer.pod} belongs to another request`);
  return { nonce, node: answer.node, pod: answer.pod, client: answer.client };
};
