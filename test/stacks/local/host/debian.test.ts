// SPDX-License-Identifier: Apache-2.0
// Shows that the Debian mirror of this box is found in either form of apt's source files.

import { expect, test } from "vitest";
import { mirrorOf } from "../../../../stacks/local/host/debian.ts";

test("the one-line form gives its Debian 12 mirror", () => {
  const text = `# deb http://old.example/debian bookworm main
deb [signed-by=/k.gpg] https://other.example/apt cloud main
deb [arch=amd64] http://mirror.example/debian bookworm main contrib
`;
  expect(mirrorOf(text, false)).toBe("http://mirror.example/debian");
});

test("the deb822 form gives its Debian 12 mirror", () => {
  const text = `Types: deb
URIs: https://packages.example/node
Suites: nodistro
Components: main

Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
`;
  expect(mirrorOf(text, true)).toBe("http://mirror.example/debian");
});

test("sources of another release or of no mirror give none", () => {
  expect(mirrorOf("deb http://mirror.example/debian trixie main\n", false)).toBeUndefined();
  expect(mirrorOf("Types: deb\nURIs: cdrom:[x]\nSuites: bookworm\nComponents: main\n", true)).toBeUndefined();
});
