// SPDX-License-Identifier: Apache-2.0
// Counts by class of probe, and prints them.
import type { KnownDifference } from "./known-differences.ts";
import type { Probe } from "./probe.ts";
import { sourceClass } from "./probes.ts";
import type { Finding } from "./trial.ts";

interface Row {
  cases: number;
  known: number;
  failed: number;
}

const fresh = (): Row => ({ cases: 0, known: 0, failed: 0 });

export class Summary {
  readonly #rows = new Map<string, Row>();
  readonly #known = new Map<KnownDifference, number>();
  cases = 0;
  failed = 0;
  packets = 0;
  sets = 0;

  #row({ from, target, source }: Probe): Row {
    const name = `${from.padEnd(8)} ${target}${sourceClass(source)}`;
    const row = this.#rows.get(name) ?? fresh();
    this.#rows.set(name, row);
    return row;
  }

  add(probes: readonly Probe[], findings: readonly Finding[], packets: number): void {
    this.sets++;
    this.packets += packets;
    for (const probe of probes) {
      this.cases++;
      this.#row(probe).cases++;
    }
    for (const { probe, known } of findings) {
      const row = this.#row(probe);
      if (known === undefined) {
        row.failed++;
        this.failed++;
      } else {
        row.known++;
        this.#known.set(known, (this.#known.get(known) ?? 0) + 1);
      }
    }
  }

  counts(): { readonly passed: number; readonly failed: number } {
    return { passed: this.cases - this.failed, failed: this.failed };
  }

  text(): string {
    const rows = [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1));
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
