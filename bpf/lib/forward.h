/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sends a rewritten packet out of the node by the routing table. It does not climb the stack, which would take a
 * packet that comes in with our own address as its source for a martian.
 */
#ifndef SANSPROXY_LIB_FORWARD_H
#define SANSPROXY_LIB_FORWARD_H

#include "answer.h"
#include "flow.h"
#include "route.h"

/* How long the packets on the wire are: of a segmentation offload, one segment; 0 for SCTP's, which vary. */
static __always_inline __u16 wire_length(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 headers = packet->l4_offset - ETH_HLEN;
	__u8 words;

	if (!skb->gso_size)
		return packet->length;
	if (packet->protocol == IPPROTO_SCTP)
		return 0;
	if (packet->protocol != IPPROTO_TCP)
		return headers + sizeof(struct udphdr) + skb->gso_size;
	if (bpf_skb_load_bytes(skb, packet->l4_offset + TCP_DATA_OFFSET, &words, sizeof(words)))
		return packet->length;
	return headers + (words >> 4) * 4 + skb->gso_size;
}

/* A packet that cannot go on: its sender hears why, unless it is an ICMP message itself, or a later fragment. */
static __always_inline int answer_sender(struct __sk_buff *skb, const struct packet *packet,
					 struct icmp_error *error)
{
	const struct node_config *config = node();
	struct address from;

	if (!config || is_icmp(packet->protocol) || packet->fragment == FRAGMENT_LATER ||
	    !node_source(config, !packet->v6, &from))
		return VERDICT_DROP;
	return answer_icmp(skb, packet, &from, error);
}

/* In place of a verdict: the packet was handed over to the node that it now came from. */
#define FORWARD_CAME_BACK 100

/* A verdict, or FORWARD_CAME_BACK. Fills in the zeroed `error` where the sender has to hear why its packet was dropped. */
__noinline int forward(struct __sk_buff *skb, const struct packet *packet, const struct flow *flow,
		       struct icmp_error *error)
{
	struct bpf_fib_lookup route = {.ifindex = skb->ifindex};
	struct bpf_redir_neigh next_hop = {};
	const struct tuple *to;
	long result;
	__u8 hops;

	if (!packet || !flow || !error)
		return VERDICT_DROP;
	/* What the node itself sends has come no hop yet. */
	hops = !packet->leaves;
	if (hops && packet->ttl <= 1) {
		error->type = packet->v6 ? ICMPV6_TIME_EXCEEDED : ICMP_TIME_EXCEEDED;
		return drop(COUNT_DROP_TTL_EXCEEDED);
	}
	route_ask(&route, packet, &flow->rewritten, wire_length(skb, packet));
	result = bpf_fib_lookup(skb, &route, sizeof(route), 0);
	if (result == BPF_FIB_LKUP_RET_FRAG_NEEDED) {
		if (packet->whole) {
			error->type = packet->v6 ? ICMPV6_TOO_BIG : ICMP_UNREACHABLE;
			error->code = packet->v6 ? 0 : ICMP_FRAGMENTATION_NEEDED;
			error->mtu = bpf_htonl(route.mtu_result);
		}
		return drop(COUNT_DROP_TOO_BIG);
	}
	if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH)
		return drop(COUNT_DROP_NO_ROUTE);
	to = &flow->rewritten;
	if (flow->action == FLOW_HAND_OVER) {
		/* Another next hop would send it back to us. */
		if (!route_leads_to_node(&route))
			return drop(COUNT_DROP_NO_ROUTE);
		if (came_from(skb, &route))
			return FORWARD_CAME_BACK;
		to = &packet->tuple;
	}
	if (rewrite(skb, packet, to, hops))
		return drop(COUNT_DROP_REWRITE_FAILED);
	next_hop.nh_family = route.family;
	for (int i = 0; i < 4; i++)
		next_hop.ipv6_nh[i] = route.ipv6_dst[i];
	skb->mark = FORWARDED_MARK;
	count(flow->action == FLOW_HAND_OVER ? COUNT_HANDED_OVER : COUNT_FORWARDED);
	return bpf_redirect_neigh(route.ifindex, &next_hop, sizeof(next_hop), 0);
}

#endif
