/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was found out in this very jiffy, on this CPU: a busy device asks for the same device and the same few routes again
 * and again, and the routing table's answer, down to the neighbour, is most of what a packet costs. A change is followed
 * when the jiffy has ended, after 10 ms at most: as by a packet that is on its way already. Nothing comes between on one
 * CPU, as packets are handled with bottom halves off. User space does not use these maps.
 */
#ifndef SANSPROXY_LIB_RECENT_H
#define SANSPROXY_LIB_RECENT_H

#include "packet.h"

#define RECENT_ROUTES_FACTOR 0x9e3779b1

/* Never true of what is still zero: jiffies begin to count before any program runs. */
static __always_inline bool is_recent(__u64 jiffy)
{
	return jiffy == bpf_jiffies64();
}

static __noinline bool device_find(__u32 index, struct recent_device *recent)
{
	const struct device *device = bpf_map_lookup_elem(&devices, &index);

	if (!device)
		return false;
	recent->device = *device;
	recent->index = index;
	recent->jiffy = bpf_jiffies64();
	return true;
}

/* NULL for a device whose frames are not forwarded by XDP. */
static __always_inline const struct device *device_by_index(__u32 index)
{
	__u32 zero = 0;
	struct recent_device *recent = bpf_map_lookup_elem(&recent_devices, &zero);

	if (!recent)
		return NULL;
	if (recent->index == index && is_recent(recent->jiffy))
		return &recent->device;
	return device_find(index, recent) ? &recent->device : NULL;
}

/* The one place where an answer about packets that carry `to` may be. */
static __always_inline struct recent_route *route_place(const struct tuple *to)
{
	__u32 hash = (to->destination.word[3] ^ to->source.word[3]) * RECENT_ROUTES_FACTOR;
	__u32 place = hash >> (32 - RECENT_ROUTES_BITS);

	return bpf_map_lookup_elem(&recent_routes, &place);
}

/* Whether it answers for a packet of `length` bytes that came in by device `from` and will carry `to`. */
static __always_inline bool route_answers(const struct recent_route *recent, __u32 from,
					  const struct tuple *to, __u16 length)
{
	return is_recent(recent->jiffy) && recent->from == from && recent->length >= length &&
	       address_equal(&recent->destination, &to->destination) &&
	       address_equal(&recent->source, &to->source);
}

/* Keeps the answer to a question of route_ask, in which the kernel has put the road's length for the packet's. */
static __always_inline void route_keep(struct recent_route *recent, __u32 from,
				       const struct tuple *to, const struct bpf_fib_lookup *route,
				       bool turns)
{
	recent->source = to->source;
	recent->destination = to->destination;
	recent->jiffy = bpf_jiffies64();
	recent->from = from;
	recent->to = route->ifindex;
	recent->length = route->mtu_result;
	recent->turns = turns;
	__builtin_memcpy(recent->neighbour, route->dmac, ETH_ALEN);
	__builtin_memcpy(recent->own, route->smac, ETH_ALEN);
}

#endif
