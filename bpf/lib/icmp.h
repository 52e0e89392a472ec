/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors about translated packets. The packet inside is one that we sent, so what answers to it would be given is
 * what the error is given: the same way, to the same side, and inside it the packet as that side had sent it.
 */
#ifndef SANSPROXY_LIB_ICMP_H
#define SANSPROXY_LIB_ICMP_H

#include "flow.h"
#include "rewrite.h"

/*
 * Reads the packet inside an error; `inside` must be zeroed by the caller. False for what cannot belong to a flow. The
 * first 8 bytes behind the IP header are all that the sender of an error must give.
 */
static __always_inline bool inside_parse(struct __sk_buff *skb, const struct packet *error,
					 __u32 offset, struct packet *inside)
{
	if (packet_parse_ip(skb, offset, inside) != PARSED)
		return false;
	/* An error goes to the sender of what it is about. */
	if (!address_equal(&inside->tuple.source, &error->tuple.destination))
		return false;
	if (is_icmp(inside->protocol))
		return packet_parse_icmp(skb, inside) == PARSED;
	return packet_parse_ports(skb, inside) == PARSED;
}

/* The inner header's checksum changes with its addresses, so that the sum over both, and the error's own, stays. */
static __always_inline long inside_rewrite_address(struct __sk_buff *skb, __u32 ip, __u32 offset,
						   __be32 from, __be32 to)
{
	if (from == to)
		return 0;
	if (bpf_l3_csum_replace(skb, ip + offsetof(struct iphdr, check), from, to, sizeof(to)))
		return -1;
	return bpf_skb_store_bytes(skb, ip + offset, &to, sizeof(to), 0);
}

/* IPv6 has no checksum of its own, so the error's changes. */
static __always_inline long inside_rewrite_address_v6(struct __sk_buff *skb,
						      const struct packet *error, __u32 offset,
						      const struct address *from,
						      const struct address *to)
{
	if (address_equal(from, to))
		return 0;
	if (bpf_l4_csum_replace(
		    skb, checksum_offset(error), 0,
		    bpf_csum_diff((__be32 *)from, sizeof(*from), (__be32 *)to, sizeof(*to), 0), 0))
		return -1;
	return bpf_skb_store_bytes(skb, offset, to, sizeof(*to), 0);
}

static __always_inline long inside_rewrite_addresses(struct __sk_buff *skb,
						     const struct packet *error, __u32 ip,
						     const struct tuple *from,
						     const struct tuple *to)
{
	if (error->v6)
		return inside_rewrite_address_v6(skb, error, ip + offsetof(struct ipv6hdr, saddr),
						 &from->source, &to->source) ||
		       inside_rewrite_address_v6(skb, error, ip + offsetof(struct ipv6hdr, daddr),
						 &from->destination, &to->destination);
	return inside_rewrite_address(skb, ip, offsetof(struct iphdr, saddr), from->source.word[3],
				      to->source.word[3]) ||
	       inside_rewrite_address(skb, ip, offsetof(struct iphdr, daddr),
				      from->destination.word[3], to->destination.word[3]);
}

static __always_inline long inside_rewrite_port(struct __sk_buff *skb, const struct packet *error,
						__u32 offset, __be16 from, __be16 to)
{
	if (from == to)
		return 0;
	if (bpf_l4_csum_replace(skb, checksum_offset(error), from, to, sizeof(to)))
		return -1;
	return bpf_skb_store_bytes(skb, offset, &to, sizeof(to), 0);
}

/* The transport checksum inside is left as it is: it may be cut off, and no receiver looks at it. */
static __noinline long inside_rewrite(struct __sk_buff *skb, const struct packet *error, __u32 ip,
				      const struct packet *inside, const struct tuple *to)
{
	const struct tuple *from = &inside->tuple;
	__u32 l4 = inside->l4_offset;

	if (inside_rewrite_addresses(skb, error, ip, from, to))
		return -1;
	/* An echo has one port, and zero for the other. */
	if (is_icmp(inside->protocol))
		return inside_rewrite_port(skb, error, l4 + ICMP_ECHO_ID,
					   from->source_port | from->destination_port,
					   to->source_port | to->destination_port);
	return inside_rewrite_port(skb, error, l4 + offsetof(struct udphdr, source),
				   from->source_port, to->source_port) ||
	       inside_rewrite_port(skb, error, l4 + offsetof(struct udphdr, dest),
				   from->destination_port, to->destination_port);
}

enum icmp_translation {
	ICMP_NOT_OURS = 0,
	ICMP_TRANSLATED,
	ICMP_FAILED,
};

/*
 * Rewrites what is inside an error, and says what becomes of the error itself: `outer` is only its addresses and the way.
 * The address of a router that reports the error stays, the far end's is replaced like that of an answer. Who was handed
 * over the flow is given the error, too, as it is: it is about an answer of his.
 */
static __noinline int icmp_translate(struct __sk_buff *skb, const struct packet *error, __u8 hook,
				     struct flow *outer)
{
	__u32 offset = error->l4_offset + sizeof(struct icmp_echo);
	struct flow_key answer = {.hook = hook};
	struct packet inside = {};
	const struct flow *flow;
	struct tuple sent;

	if (!inside_parse(skb, error, offset, &inside))
		return ICMP_NOT_OURS;
	answer.tuple = tuple_reverse(&inside.tuple);
	answer.protocol = inside.protocol;
	flow = bpf_map_lookup_elem(&flows, &answer);
	if (!flow || flow->action == FLOW_UNTOUCHED)
		return ICMP_NOT_OURS;
	if (flow->action == FLOW_HAND_OVER) {
		*outer = *flow;
		return ICMP_TRANSLATED;
	}
	outer->action = flow->action;
	outer->flags = flow->flags;
	outer->rewritten.source = error->tuple.source;
	outer->rewritten.destination = flow->rewritten.destination;
	if (address_equal(&error->tuple.source, &inside.tuple.destination))
		outer->rewritten.source = flow->rewritten.source;
	sent = tuple_reverse(&flow->rewritten);
	return inside_rewrite(skb, error, offset, &inside, &sent) ? ICMP_FAILED : ICMP_TRANSLATED;
}

#endif
