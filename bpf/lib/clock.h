/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Seconds of the monotonic clock, as the maps hold them. */
#ifndef SANSPROXY_LIB_CLOCK_H
#define SANSPROXY_LIB_CLOCK_H

#include "../maps.h"

/* Seconds in 2^20 ns, times 2^34: a multiplication for a division that would cost more than the clock itself. */
#define CLOCK_FACTOR 18014399ULL

/* Exact to a second in a year; counts on for 34 years. */
static __always_inline __u32 clock_seconds(void)
{
	return ((bpf_ktime_get_coarse_ns() >> 20) * CLOCK_FACTOR) >> 34;
}

#endif
