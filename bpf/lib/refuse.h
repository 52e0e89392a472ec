/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refuses a packet that nobody serves: by a TCP reset, an SCTP abort, or ICMP port unreachable. */
#ifndef SANSPROXY_LIB_REFUSE_H
#define SANSPROXY_LIB_REFUSE_H

#include "answer.h"

/* The IPv4 header's words that change when a reset goes back; the addresses only change places. */
static __always_inline int turn_ip(struct __sk_buff *skb, const struct packet *packet,
				   __be16 length)
{
	const struct tuple *tuple = &packet->tuple;
	struct iphdr ip;
	__be32 addresses[2] = {tuple->destination.word[3], tuple->source.word[3]};
	__be16 life[2];

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return -1;
	life[0] = bpf_htons(ip.ttl << 8);
	life[1] = bpf_htons(ANSWER_TTL << 8);
	ip.ttl = ANSWER_TTL;
	if (bpf_l3_csum_replace(skb, IPV4_CHECKSUM, ip.tot_len, length, sizeof(length)) ||
	    bpf_l3_csum_replace(skb, IPV4_CHECKSUM, life[0], life[1], sizeof(life[0])))
		return -1;
	if (bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, tot_len), &length,
				sizeof(length), 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, ttl), &ip.ttl,
				sizeof(ip.ttl), 0))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), addresses,
				   sizeof(addresses), 0);
}

/* Back from IPv6: no checksum of its own. */
static __always_inline int turn_ipv6(struct __sk_buff *skb, const struct packet *packet,
				     __be16 payload)
{
	struct address addresses[2] = {packet->tuple.destination, packet->tuple.source};
	__u8 ttl = ANSWER_TTL;

	if (bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, payload_len), &payload,
				sizeof(payload), 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, hop_limit), &ttl,
				sizeof(ttl), 0))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr), addresses,
				   sizeof(addresses), 0);
}

/* `length` is that of the IP packet. */
static __always_inline int turn(struct __sk_buff *skb, const struct packet *packet, __u16 length)
{
	if (packet->v6)
		return turn_ipv6(skb, packet, bpf_htons(length - sizeof(struct ipv6hdr)));
	return turn_ip(skb, packet, bpf_htons(length));
}

/* Answers a TCP segment by the reset that its sender accepts; a reset is not answered. */
__noinline int refuse_tcp(struct __sk_buff *skb, const struct packet *packet)
{
	struct tcphdr asked, answer = {};
	__u32 header;
	__u16 length;
	bool unfinished;
	__u32 sum;

	if (!packet)
		return VERDICT_DROP;
	header = packet->l4_offset - ETH_HLEN;
	if (cut(skb, packet, &asked, sizeof(asked), &unfinished))
		return drop(COUNT_DROP_REWRITE_FAILED);
	if (asked.rst)
		return drop(COUNT_DROP_NO_ENDPOINT);
	length = packet->length - header - asked.doff * 4;
	answer.source = asked.dest;
	answer.dest = asked.source;
	answer.doff = TCP_HEADER / 4;
	answer.rst = 1;
	answer.ack = !asked.ack;
	if (asked.ack)
		answer.seq = asked.ack_seq;
	else
		answer.ack_seq = bpf_htonl(bpf_ntohl(asked.seq) + length + asked.syn + asked.fin);
	sum = pseudo_sum(&packet->tuple.source, &packet->tuple.destination,
			 IPPROTO_TCP + TCP_HEADER);
	if (unfinished)
		answer.check = sum;
	else
		answer.check = ~checksum_fold(
			bpf_csum_diff(NULL, 0, (__be32 *)&answer, sizeof(answer), sum));
	if (turn(skb, packet, header + TCP_HEADER) ||
	    bpf_skb_store_bytes(skb, packet->l4_offset, &answer, sizeof(answer), 0))
		return drop(COUNT_DROP_REWRITE_FAILED);
	return send_back(skb, packet);
}

/*
 * Answers an SCTP packet by the ABORT that its sender accepts: with the tag that an INIT asks for, or the one that the
 * packet had. What ends an association is not answered. (An ICMP error would leave the sender to its time-outs.)
 */
__noinline int refuse_sctp(struct __sk_buff *skb, const struct packet *packet)
{
	struct sctp_header asked, answer = {};
	bool unfinished;

	if (!packet)
		return VERDICT_DROP;
	if (packet->ends)
		return drop(COUNT_DROP_NO_ENDPOINT);
	if (packet->begins) {
		if (bpf_skb_load_bytes(skb, packet->l4_offset + SCTP_INITIATE_TAG, &answer.tag,
				       sizeof(answer.tag)))
			return drop(COUNT_DROP_NO_ENDPOINT);
	}
	if (cut(skb, packet, &asked, sizeof(asked), &unfinished))
		return drop(COUNT_DROP_REWRITE_FAILED);
	if (!packet->begins) {
		answer.tag = asked.tag;
		answer.flags = SCTP_TAG_REFLECTED;
	}
	answer.source = asked.destination;
	answer.destination = asked.source;
	answer.chunk = SCTP_ABORT;
	answer.chunk_length = bpf_htons(SCTP_CHUNK_HEADER);
	if (!unfinished)
		answer.checksum = sctp_checksum(&answer);
	if (turn(skb, packet, packet->l4_offset - ETH_HLEN + sizeof(answer)) ||
	    bpf_skb_store_bytes(skb, packet->l4_offset, &answer, sizeof(answer), 0))
		return drop(COUNT_DROP_REWRITE_FAILED);
	return send_back(skb, packet);
}

/* A packet that nobody serves. Its later fragments are not answered, and of fragments only UDP's are. */
static __always_inline int refuse(struct __sk_buff *skb, const struct packet *packet)
{
	struct icmp_error error = {
		.type = packet->v6 ? ICMPV6_UNREACHABLE : ICMP_UNREACHABLE,
		.code = packet->v6 ? ICMPV6_PORT_UNREACHABLE : ICMP_PORT_UNREACHABLE,
	};

	if (packet->fragment == FRAGMENT_LATER ||
	    (packet->fragment && packet->protocol != IPPROTO_UDP))
		return drop(COUNT_DROP_NO_ENDPOINT);
	count(COUNT_REFUSED);
	if (packet->protocol == IPPROTO_TCP)
		return refuse_tcp(skb, packet);
	if (packet->protocol == IPPROTO_SCTP)
		return refuse_sctp(skb, packet);
	return answer_icmp(skb, packet, &packet->tuple.destination, &error);
}

#endif
