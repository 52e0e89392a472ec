/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sends a rewritten packet out of the node by the routing table. It does not climb the stack, which would take a
 * packet that comes in with our own address as its source for a martian.
 */
#ifndef SANSPROXY_LIB_FORWARD_H
#define SANSPROXY_LIB_FORWARD_H

#include "rewrite.h"
#include "verdict.h"

#define FAMILY_V4 2

/* Marks what leaves by this road, so that our program at egress lets it go as it is; it is cleared there. */
#define FORWARDED_MARK 0x5a9d1e0f

static __noinline int forward(struct __sk_buff *skb, const struct packet *packet,
			      const struct tuple *to)
{
	struct bpf_fib_lookup route = {
		.family = FAMILY_V4,
		.l4_protocol = packet->protocol,
		.ifindex = skb->ifindex,
		.ipv4_src = to->source.word[3],
		.ipv4_dst = to->destination.word[3],
	};
	struct bpf_redir_neigh next_hop = {};
	long result;

	if (packet->ttl <= 1)
		return drop(COUNT_DROP_TTL_EXCEEDED);
	/* A total length of 0 asks for the check that knows of segmentation offload. */
	result = bpf_fib_lookup(skb, &route, sizeof(route), 0);
	if (result == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return drop(COUNT_DROP_TOO_BIG);
	if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH)
		return drop(COUNT_DROP_NO_ROUTE);
	if (rewrite(skb, packet, to) || rewrite_ttl(skb, packet))
		return drop(COUNT_DROP_REWRITE_FAILED);
	next_hop.nh_family = route.family;
	for (int i = 0; i < 4; i++)
		next_hop.ipv6_nh[i] = route.ipv6_dst[i];
	skb->mark = FORWARDED_MARK;
	count(COUNT_FORWARDED);
	return bpf_redirect_neigh(route.ifindex, &next_hop, sizeof(next_hop), 0);
}

#endif
