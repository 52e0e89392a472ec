/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Asks the routing table about a translated packet. */
#ifndef SANSPROXY_LIB_ROUTE_H
#define SANSPROXY_LIB_ROUTE_H

#include "packet.h"

#define FAMILY_V4 2
#define FAMILY_V6 10

/* Fills in a question about a packet of `length` bytes that will carry `to`; the device that it came in by is given. */
static __always_inline void route_ask(struct bpf_fib_lookup *route, const struct packet *packet,
				      const struct tuple *to, __u16 length)
{
	route->family = packet->v6 ? FAMILY_V6 : FAMILY_V4;
	route->l4_protocol = packet->protocol;
	route->tot_len = length;
	if (packet->v6) {
		__builtin_memcpy(route->ipv6_src, &to->source, sizeof(to->source));
		__builtin_memcpy(route->ipv6_dst, &to->destination, sizeof(to->destination));
	} else {
		route->ipv4_src = to->source.word[3];
		route->ipv4_dst = to->destination.word[3];
	}
}

/* Whether the next hop of an answered question is a node of the cluster. */
static __always_inline bool route_leads_to_node(const struct bpf_fib_lookup *route)
{
	struct address next_hop = address_from_v4(route->ipv4_dst);

	if (route->family == FAMILY_V6)
		__builtin_memcpy(&next_hop, route->ipv6_dst, sizeof(next_hop));
	return node_address_flags(&next_hop) & ADDRESS_CLUSTER;
}

/* Whether a frame came from the next hop of an answered question. */
static __always_inline bool came_from(struct __sk_buff *skb, const struct bpf_fib_lookup *route)
{
	__u8 from[ETH_ALEN];

	if (bpf_skb_load_bytes(skb, offsetof(struct ethhdr, h_source), from, sizeof(from)))
		return false;
	for (int i = 0; i < ETH_ALEN; i++)
		if (from[i] != route->dmac[i])
			return false;
	return true;
}

#endif
