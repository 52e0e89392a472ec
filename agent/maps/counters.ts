// SPDX-License-Identifier: Apache-2.0
// The reasons that the programs count, in the order of `enum counter` in bpf/layout.h.

export const counterNames = [
  "socket_translated",
  "socket_refused",
  "socket_reversed",
  "new_service_flow",
  "new_masquerade_flow",
  "rewritten",
  "forwarded",
  "fragment_passed",
  "state_full",
  "drop_no_endpoint",
  "drop_absent_backend",
  "drop_no_free_port",
  "drop_no_route",
  "drop_too_big",
  "drop_ttl_exceeded",
  "drop_rewrite_failed",
  "drop_state_full",
  "refused",
  "drop_source_range",
  "affinity_kept",
  "socket_released",
  "icmp_error",
  "bind_refused",
  "fragment_followed",
  "handed_over",
  "xdp_forwarded",
  "drop_backend_gone",
] as const;

export type CounterName = (typeof counterNames)[number];
