// SPDX-License-Identifier: Apache-2.0
// Whether a command that another program explains is only asked for its explanation: nothing is prepared for that.

export const asksForHelp = (args: readonly string[]): boolean => args.some((arg) => ["--help", "-h"].includes(arg));
