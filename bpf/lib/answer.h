/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Turns a packet around: what every answer of ours needs, and the ICMP error about a packet. */
#ifndef SANSPROXY_LIB_ANSWER_H
#define SANSPROXY_LIB_ANSWER_H

#include "rewrite.h"
#include "verdict.h"

/* Marks what leaves by our own hand, so that our program at egress lets it go as it is; it is cleared there. */
#define FORWARDED_MARK 0x5a9d1e0f

#define ICMP_PORT_UNREACHABLE 3
#define ICMP_FRAGMENTATION_NEEDED 4

#define ANSWER_TTL 64
#define TCP_HEADER 20

struct icmp_error {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be16 unused;
	__be16 mtu;
};

static_assert(sizeof(struct icmp_error) == 8, "icmp_error");

/* Headers in front of the packet that an ICMP error is about. */
struct icmp_answer {
	struct iphdr ip;
	struct icmp_error icmp;
};

static_assert(sizeof(struct icmp_answer) == 28, "icmp_answer");

static __always_inline __u16 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/*
 * Cuts a packet behind `bytes` of its transport header, without offloads. True when its transport checksum was left to
 * the device that sends it, which will still fill it in: the kernel does not cut such a field off, and that shows it.
 * `header` gets the bytes; all are written back, as growing a packet fills it with zeros.
 */
static __always_inline int cut(struct __sk_buff *skb, const struct packet *packet, void *header,
			       __u32 bytes, bool *unfinished)
{
	if (bpf_skb_load_bytes(skb, packet->l4_offset, header, bytes))
		return -1;
	*unfinished = bpf_skb_change_tail(skb, packet->l4_offset + 2, 0) != 0;
	if (bpf_skb_change_tail(skb, packet->l4_offset + bytes, 0))
		return -1;
	return *unfinished ? 0 : bpf_skb_store_bytes(skb, packet->l4_offset, header, bytes, 0);
}

/* Back where the packet came from, past our own program at egress. */
static __always_inline int send_back(struct __sk_buff *skb)
{
	__u8 addresses[2 * ETH_ALEN];
	__u8 swapped[2 * ETH_ALEN];

	if (bpf_skb_load_bytes(skb, 0, addresses, sizeof(addresses)))
		return drop(COUNT_DROP_REWRITE_FAILED);
	__builtin_memcpy(swapped, addresses + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(swapped + ETH_ALEN, addresses, ETH_ALEN);
	if (bpf_skb_store_bytes(skb, 0, swapped, sizeof(swapped), 0))
		return drop(COUNT_DROP_REWRITE_FAILED);
	skb->mark = FORWARDED_MARK;
	return bpf_redirect(skb->ifindex, 0);
}

/*
 * Answers a TCP or UDP packet by an ICMP error from `from`. The error carries the packet's own header, whose sum is zero
 * as it is right, and the first bytes behind it; a checksum that the device will fill in makes those sum up to the
 * complement of what stands there now.
 */
__noinline int answer_icmp(struct __sk_buff *skb, const struct packet *packet, __be32 from,
			   struct icmp_error *error)
{
	struct icmp_answer answer = {
		.ip =
			{
				.version = 4,
				.ihl = 5,
				.ttl = ANSWER_TTL,
				.protocol = IPPROTO_ICMP,
				.saddr = from,
			},
	};
	__u32 bytes;
	__u8 header[TCP_HEADER] = {};
	bool unfinished;
	__u32 sum;
	int failed;

	if (!packet || !error)
		return VERDICT_DROP;
	answer.icmp = *error;
	answer.ip.daddr = packet->tuple.source.word[3];
	bytes = packet->protocol == IPPROTO_TCP ? TCP_HEADER : sizeof(struct udphdr);
	if (packet->protocol == IPPROTO_TCP)
		failed = cut(skb, packet, header, TCP_HEADER, &unfinished);
	else
		failed = cut(skb, packet, header, sizeof(struct udphdr), &unfinished);
	if (failed || bpf_skb_adjust_room(skb, sizeof(answer), BPF_ADJ_ROOM_MAC, 0))
		return drop(COUNT_DROP_REWRITE_FAILED);
	if (!unfinished)
		sum = bpf_csum_diff(NULL, 0, (__be32 *)header, sizeof(header), 0);
	else if (packet->protocol == IPPROTO_TCP)
		sum = (__u16) ~((struct tcphdr *)header)->check;
	else
		sum = (__u16) ~((struct udphdr *)header)->check;
	answer.icmp.checksum = 0;
	answer.icmp.checksum = ~checksum_fold(
		bpf_csum_diff(NULL, 0, (__be32 *)&answer.icmp, sizeof(answer.icmp), sum));
	answer.ip.tot_len = bpf_htons(sizeof(answer) + packet->l4_offset - ETH_HLEN + bytes);
	answer.ip.check =
		~checksum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&answer.ip, sizeof(answer.ip), 0));
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &answer, sizeof(answer), 0))
		return drop(COUNT_DROP_REWRITE_FAILED);
	return send_back(skb);
}

#endif
