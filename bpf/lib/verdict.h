/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What becomes of a packet, by name; every drop is counted. */
#ifndef SANSPROXY_LIB_VERDICT_H
#define SANSPROXY_LIB_VERDICT_H

#include "counters.h"

/* The values of enum tcx_action_base, which older kernel headers do not have. */
enum verdict {
	/* On to the next program of this hook, or to the stack. */
	VERDICT_NEXT = -1,
	VERDICT_DROP = 2,
};

static __always_inline int drop(__u32 reason)
{
	count(reason);
	return VERDICT_DROP;
}

static __always_inline int pass(__u32 reason)
{
	count(reason);
	return VERDICT_NEXT;
}

#endif
