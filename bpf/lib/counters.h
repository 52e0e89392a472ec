/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts what happened, by reason and CPU. */
#ifndef SANSPROXY_LIB_COUNTERS_H
#define SANSPROXY_LIB_COUNTERS_H

#include "../maps.h"

static __always_inline void count(__u32 reason)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &reason);

	if (value)
		*value += 1;
}

#endif
