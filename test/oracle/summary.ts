// SPDX-License-Identifier: Apache-2.0
// Counts by class of probe, and prints them.
import type { KnownDifference } from "./known-differences.ts";
import type { Probe } from "./probe.ts";
import { sourceClass } from "./probes.ts";
import type { Finding } from "./trial.ts";
import type { Protocol } from "./wire/socket.ts";

interface Row {
  cases: number;
  known: number;
  failed: number;
}

const fresh = (): Row => ({ cases: 0, known: 0, failed: 0 });

function rowOf<Name>(rows: Map<Name, Row>, name: Name): Row {
  const row = rows.get(name) ?? fresh();
  rows.set(name, row);
  return row;
}

export class Summary {
  readonly #rows = new Map<string, Row>();
  readonly #protocols = new Map<Protocol, Row>();
  readonly #known = new Map<KnownDifference, number>();
  cases = 0;
  failed = 0;
  packets = 0;
  sets = 0;

  #rowsOf({ from, protocol, target, source }: Probe): Row[] {
    return [rowOf(this.#rows, `${from.padEnd(8)} ${target}${sourceClass(source)}`), rowOf(this.#protocols, protocol)];
  }

  add(probes: readonly Probe[], findings: readonly Finding[], packets: number): void {
    this.sets++;
    this.packets += packets;
    for (const probe of probes) {
      this.cases++;
      for (const row of this.#rowsOf(probe)) row.cases++;
    }
    for (const { probe, known } of findings) {
      for (const row of this.#rowsOf(probe)) row[known === undefined ? "failed" : "known"]++;
      if (known === undefined) {
        this.failed++;
      } else {
        this.#known.set(known, (this.#known.get(known) ?? 0) + 1);
      }
    }
  }

  counts(): { readonly passed: number; readonly failed: number } {
    return { passed: this.cases - this.failed, failed: this.failed };
  }

  text(): string {
    const sorted = (all: ReadonlyMap<string, Row>) => [...all].sort(([a], [b]) => (a < b ? -1 : 1));
    const rows = [...sorted(this.#rows), ...sorted(this.#protocols)];
    const width = Math.max(...rows.map(([name]) => name.length));
    const line = (name: string, cells: readonly (string | number)[]) =>
      `${name.padEnd(width)} ${cells.map((cell) => String(cell).padStart(8)).join("")}`;
    const table = [
      line("class of probe", ["cases", "known", "failed"]),
      ...rows.map(([name, { cases, known, failed }]) => line(name, [cases, known, failed])),
    ];
    const differences = [...this.#known].map(
      ([{ proxies, what, why }, count]) => `  ${count} × ${proxies.join(", ")}: ${what} (${why})`,
    );
    const heading = differences.length > 0 ? ["", "known differences (test/oracle/known-differences.ts):"] : [];
    return [...table, ...heading, ...differences].join("\n");
  }
}
