/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors about translated packets. The packet inside is one that we sent, so what answers to it would be given is
 * what the error is given: the same way, to the same side, and inside it the packet as that side had sent it.
 */
#ifndef SANSPROXY_LIB_ICMP_H
#define SANSPROXY_LIB_ICMP_H

#include "flow.h"
#include "rewrite.h"

/* The packet inside an ICMP error. */
struct inside {
	/* What answers to it would carry. */
	struct flow_key answer;
	/* Of its IP header. */
	__u32 offset;
	__u32 l4_offset;
};

static __always_inline bool inside_parse_ports(struct __sk_buff *skb, struct inside *inside)
{
	struct icmp_echo icmp;

	/* The first 8 bytes are all that the sender of an error must give. */
	if (bpf_skb_load_bytes(skb, inside->l4_offset, &icmp, sizeof(icmp)))
		return false;
	if (inside->answer.protocol != IPPROTO_ICMP) {
		inside->answer.tuple.destination_port = *(__be16 *)&icmp.type;
		inside->answer.tuple.source_port = icmp.checksum;
		return true;
	}
	if (icmp.type == ICMP_ECHO_REQUEST)
		inside->answer.tuple.destination_port = icmp.id;
	else if (icmp.type == ICMP_ECHO_REPLY)
		inside->answer.tuple.source_port = icmp.id;
	else
		return false;
	return true;
}

/* `inside` must be zeroed by the caller. False for what cannot belong to a flow. */
static __always_inline bool inside_parse(struct __sk_buff *skb, const struct packet *error,
					 __u8 hook, struct inside *inside)
{
	struct iphdr ip;

	inside->offset = error->l4_offset + sizeof(struct icmp_echo);
	if (bpf_skb_load_bytes(skb, inside->offset, &ip, sizeof(ip)))
		return false;
	if (ip.version != 4 || ip.ihl < 5 || ip.frag_off & bpf_htons(IP_FRAGMENT_OFFSET))
		return false;
	if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP && ip.protocol != IPPROTO_ICMP)
		return false;
	/* An error goes to the sender of what it is about. */
	if (ip.saddr != error->tuple.destination.word[3])
		return false;
	inside->l4_offset = inside->offset + ip.ihl * 4;
	inside->answer.protocol = ip.protocol;
	inside->answer.hook = hook;
	inside->answer.tuple.source = address_from_v4(ip.daddr);
	inside->answer.tuple.destination = address_from_v4(ip.saddr);
	return inside_parse_ports(skb, inside);
}

/* The inner header's checksum changes with its addresses, so that the sum over both, and the error's own, stays. */
static __always_inline long inside_rewrite_address(struct __sk_buff *skb,
						   const struct inside *inside, __u32 offset,
						   __be32 from, __be32 to)
{
	if (from == to)
		return 0;
	if (bpf_l3_csum_replace(skb, inside->offset + offsetof(struct iphdr, check), from, to,
				sizeof(to)))
		return -1;
	return bpf_skb_store_bytes(skb, inside->offset + offset, &to, sizeof(to), 0);
}

static __always_inline long inside_rewrite_port(struct __sk_buff *skb, const struct packet *error,
						const struct inside *inside, __u32 offset,
						__be16 from, __be16 to)
{
	if (from == to)
		return 0;
	if (bpf_l4_csum_replace(skb, checksum_offset(error), from, to, sizeof(to)))
		return -1;
	return bpf_skb_store_bytes(skb, inside->l4_offset + offset, &to, sizeof(to), 0);
}

/* The transport checksum inside is left as it is: it may be cut off, and no receiver looks at it. */
static __noinline long inside_rewrite(struct __sk_buff *skb, const struct packet *error,
				      const struct inside *inside, const struct tuple *to)
{
	const struct tuple *from = &inside->answer.tuple;

	if (inside_rewrite_address(skb, inside, offsetof(struct iphdr, saddr),
				   from->destination.word[3], to->destination.word[3]))
		return -1;
	if (inside_rewrite_address(skb, inside, offsetof(struct iphdr, daddr), from->source.word[3],
				   to->source.word[3]))
		return -1;
	/* An echo has one port, and zero for the other. */
	if (inside->answer.protocol == IPPROTO_ICMP)
		return inside_rewrite_port(skb, error, inside, ICMP_ECHO_ID,
					   from->destination_port | from->source_port,
					   to->destination_port | to->source_port);
	if (inside_rewrite_port(skb, error, inside, offsetof(struct udphdr, source),
				from->destination_port, to->destination_port))
		return -1;
	return inside_rewrite_port(skb, error, inside, offsetof(struct udphdr, dest),
				   from->source_port, to->source_port);
}

enum icmp_translation {
	ICMP_NOT_OURS = 0,
	ICMP_TRANSLATED,
	ICMP_FAILED,
};

/*
 * Rewrites what is inside an error, and says what becomes of the error itself: `outer` is only its addresses and the way.
 * The address of a router that reports the error stays, the far end's is replaced like that of an answer.
 */
static __noinline int icmp_translate(struct __sk_buff *skb, const struct packet *error, __u8 hook,
				     struct flow *outer)
{
	struct inside inside = {};
	const struct flow *flow;

	if (!inside_parse(skb, error, hook, &inside))
		return ICMP_NOT_OURS;
	flow = bpf_map_lookup_elem(&flows, &inside.answer);
	if (!flow || flow->action == FLOW_UNTOUCHED)
		return ICMP_NOT_OURS;
	outer->action = flow->action;
	outer->rewritten.source = error->tuple.source;
	outer->rewritten.destination = flow->rewritten.destination;
	if (address_equal(&error->tuple.source, &inside.answer.tuple.source))
		outer->rewritten.source = flow->rewritten.source;
	return inside_rewrite(skb, error, &inside, &flow->rewritten) ? ICMP_FAILED
								     : ICMP_TRANSLATED;
}

#endif
