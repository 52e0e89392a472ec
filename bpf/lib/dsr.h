/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Direct server return: where a Maglev table has chosen a backend on another node, that node is handed the packet as it
 * is, finds the same backend by the same table, and answers the client itself. Nodes need to be neighbours, and nothing
 * is added to the packet. A node that was handed a packet and chooses a backend elsewhere, because its table is another,
 * translates it with its own source: a packet is handed over once.
 */
#ifndef SANSPROXY_LIB_DSR_H
#define SANSPROXY_LIB_DSR_H

#include "route.h"
#include "service.h"

/*
 * Whether a packet was not handed over: it is to an address of this node, or came in by the way that leads back to the
 * client. To an address of another node it was; where the way back is not known it may have been.
 */
static __noinline bool came_straight(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 flags = node_address_flags(&packet->tuple.destination);
	struct bpf_fib_lookup back = {.ifindex = skb->ifindex};
	struct tuple answer = tuple_reverse(&packet->tuple);

	if (flags)
		return flags & ADDRESS_OWN;
	route_ask(&back, packet, &answer, 0);
	return bpf_fib_lookup(skb, &back, sizeof(back), 0) == BPF_FIB_LKUP_RET_SUCCESS &&
	       came_from(skb, &back);
}

/*
 * Fills in and enters a new flow that is handed over; false for one that is not: its backend is here, its next hop is no
 * node or sent it to us, or its client is inside the cluster, whose address another node would not believe.
 */
__noinline int hand_over(struct __sk_buff *skb, const struct packet *packet,
			 const struct flow_key *key, struct flow *flow)
{
	struct bpf_fib_lookup road = {.ifindex = skb->ifindex};
	long result;

	if (!packet || !key || !flow)
		return false;
	if (is_local(&flow->rewritten.destination) || node_address_flags(&key->tuple.source) ||
	    (network_flags(&key->tuple.source) & (NETWORK_LOCAL_PODS | NETWORK_CLUSTER_PODS)))
		return false;
	flow->rewritten.source = key->tuple.source;
	flow->rewritten.source_port = key->tuple.source_port;
	route_ask(&road, packet, &flow->rewritten, 0);
	result = bpf_fib_lookup(skb, &road, sizeof(road), 0);
	if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH)
		return false;
	if (!route_leads_to_node(&road) || came_from(skb, &road) || !came_straight(skb, packet))
		return false;
	flow->action = FLOW_HAND_OVER;
	/* Without the entry the table says the same, until it changes. */
	if (flow_enter(key, flow, BPF_ANY))
		count(COUNT_STATE_FULL);
	count(COUNT_NEW_SERVICE_FLOW);
	return true;
}

#endif
