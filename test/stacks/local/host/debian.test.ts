// SPDX-License-Identifier: Apache-2.0
// Shows that the Debian mirror is the one this box uses itself, in either form of apt's source files.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { debianMirror, mirrorsOf } from "../../../../stacks/local/host/debian.ts";

let apt = "";
beforeEach(() => {
  apt = mkdtempSync(join(tmpdir(), "sansproxy-apt-"));
  mkdirSync(join(apt, "sources.list.d"));
});
afterEach(() => rmSync(apt, { recursive: true }));
const source = (name: string, text: string) => writeFileSync(join(apt, name), text);

test("the one-line form gives its Debian 12 mirror", () => {
  const text = `# deb http://old.example/debian bookworm main
deb [signed-by=/k.gpg] https://other.example/apt cloud main
deb-src http://sources.example/debian bookworm main
deb [arch=amd64] http://mirror.example/debian bookworm main contrib
`;
  expect(mirrorsOf(text, false)).toEqual([{ uri: "http://mirror.example/debian", suites: ["bookworm"] }]);
});

test("the deb822 form gives its Debian 12 mirror, whatever comments, continued lines and disabled stanzas it has", () => {
  const text = `Types: deb
URIs: https://packages.example/node
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main

Types: deb deb-src
# http://commented.example/debian
URIs:
 http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main
`;
  expect(mirrorsOf(text, true)).toEqual([{ uri: "http://mirror.example/debian", suites: ["bookworm"] }]);
});

test("the mirror of Debian 12 goes before that of another release, which serves when there is no other", async () => {
  source("sources.list", "deb http://newer.example/debian trixie main\n");
  source("sources.list.d/saved.list.save", "deb http://saved.example/debian bookworm main\n");
  expect(await debianMirror({}, apt)).toBe("http://newer.example/debian");
  source(
    "sources.list.d/z.sources",
    "Types: deb\nURIs: http://own.example/debian\nSuites: bookworm\nComponents: main\n",
  );
  expect(await debianMirror({}, apt)).toBe("http://own.example/debian");
  expect(await debianMirror({ SANSPROXY_DEBIAN_MIRROR: "http://chosen.example/debian" }, apt)).toBe(
    "http://chosen.example/debian",
  );
});

test("a box whose apt knows no Debian mirror is told what to set, and no other mirror is used", async () => {
  source("sources.list", "deb http://archive.example/ubuntu noble main\ndeb cdrom:[x]/ bookworm main\n");
  await expect(debianMirror({}, apt)).rejects.toThrow(/no apt source below .* names a mirror.*SANSPROXY_DEBIAN_MIRROR/);
});
