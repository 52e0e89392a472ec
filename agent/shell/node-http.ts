// SPDX-License-Identifier: Apache-2.0
// Node's HTTP server without the rest of its module: an `import` of it also loads its WebSocket client, 6 MB.

export const { createServer } = process.getBuiltinModule("node:http");
