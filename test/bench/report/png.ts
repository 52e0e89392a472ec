// SPDX-License-Identifier: Apache-2.0
// A plot as a PNG, for where an SVG is not shown: drawn by librsvg, at twice the size for screens that are fine.
import { spawnSync } from "node:child_process";

const ZOOM = "2";

export function pngOf(svg: string): Buffer {
  const { status, stdout, stderr, error } = spawnSync("rsvg-convert", ["--zoom", ZOOM, "--format", "png"], {
    input: svg,
    maxBuffer: 64 << 20,
  });
  if (error) throw new Error(`rsvg-convert cannot be run: ${error.message}; apt-get install librsvg2-bin`);
  if (status !== 0) throw new Error(`rsvg-convert could not draw the plot: ${stderr}`);
  return stdout;
}
