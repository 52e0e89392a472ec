/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments: only the first shows ports, and the others get them from it. The devices see them before the stack puts them
 * together (conntrack does so after tc's ingress), and after it has cut what leaves.
 */
#ifndef SANSPROXY_LIB_FRAGMENT_H
#define SANSPROXY_LIB_FRAGMENT_H

#include "clock.h"
#include "counters.h"
#include "packet.h"

/* As long as a receiver waits for the rest of a packet; later the identification may be another packet's. */
#define FRAGMENT_SECONDS 60

/* IPv4 tells packets apart for each protocol, IPv6 does not: there the first fragment knows it alone. */
static __always_inline struct fragment_key fragment_key(const struct packet *packet)
{
	struct fragment_key key = {
		.source = packet->tuple.source,
		.destination = packet->tuple.destination,
		.id = packet->id,
		.protocol = packet->v6 ? 0 : packet->protocol,
	};

	return key;
}

/* For the fragments that follow a first one of a flow of ours. */
static __noinline int fragment_remember(const struct packet *packet)
{
	struct fragment_key key = fragment_key(packet);
	struct fragment first = {
		.source_port = packet->tuple.source_port,
		.destination_port = packet->tuple.destination_port,
		.protocol = packet->protocol,
		.begins = packet->begins,
		.seen = clock_seconds(),
	};

	if (bpf_map_update_elem(&fragments, &key, &first, BPF_ANY))
		count(COUNT_STATE_FULL);
	return 0;
}

/* Gives a later fragment the ports of its first; false when that was not ours, or has not come yet. */
static __noinline bool fragment_recall(struct packet *packet)
{
	struct fragment_key key = fragment_key(packet);
	const struct fragment *first = bpf_map_lookup_elem(&fragments, &key);

	if (!first || clock_seconds() - first->seen > FRAGMENT_SECONDS)
		return false;
	packet->tuple.source_port = first->source_port;
	packet->tuple.destination_port = first->destination_port;
	packet->protocol = first->protocol;
	packet->begins = first->begins;
	count(COUNT_FRAGMENT_FOLLOWED);
	return true;
}

#endif
