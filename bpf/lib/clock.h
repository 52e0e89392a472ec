/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Seconds of the monotonic clock, as the maps hold them. */
#ifndef SANSPROXY_LIB_CLOCK_H
#define SANSPROXY_LIB_CLOCK_H

#include "../maps.h"

#define NANOSECONDS 1000000000ULL

static __always_inline __u32 clock_seconds(void)
{
	return bpf_ktime_get_coarse_ns() / NANOSECONDS;
}

#endif
