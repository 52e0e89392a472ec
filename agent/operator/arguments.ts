// SPDX-License-Identifier: Apache-2.0
// Reads ADDRESS:PORT as people write it; the refusal says what is accepted.

import { InvalidArgumentError } from "commander";
import { parseIp } from "../core/ip-address.ts";
import type { AskedFrontend } from "./operator-commands.ts";

export function parseFrontend(text: string): AskedFrontend {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = parseIp(bracketed ?? plain ?? "")?.text;
  const port = Number(digits);
  if (address === undefined || port < 1 || port > 65_535)
    throw new InvalidArgumentError("It is an address and a port: 10.96.0.1:443 or [fd00::1]:443.");
  return { address, port };
}
