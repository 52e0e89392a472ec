/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Turns a packet around: what every answer of ours needs, and the ICMP error about a packet. */
#ifndef SANSPROXY_LIB_ANSWER_H
#define SANSPROXY_LIB_ANSWER_H

#include "rewrite.h"
#include "verdict.h"

/* Marks what leaves by our own hand, so that our program at egress lets it go as it is; it is cleared there. */
#define FORWARDED_MARK 0x5a9d1e0f
/* Marks what sctp_to_host is to find another route for. */
#define HOST_MARK 0x5a9d1e10
/* `pkt_type` of a packet that is not another's. */
#define PACKET_FOR_US 0
/* The index of the loopback device in every network namespace. */
#define LOOPBACK 1

#define ICMP_PORT_UNREACHABLE 3
#define ICMP_FRAGMENTATION_NEEDED 4
#define ICMPV6_PORT_UNREACHABLE 4

#define ANSWER_TTL 64
#define TCP_HEADER 20
#define ANSWERED_LEAST 8
/* The longest IP header, IPv4's options or IPv6's extension headers included, of a packet that is answered by ICMP. */
#define ANSWERED_HEADERS 72

struct icmp_error {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	/* Of IPv4 its upper half is unused. */
	__be32 mtu;
};

static_assert(sizeof(struct icmp_error) == 8, "icmp_error");

static __always_inline __u16 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/*
 * The sum of a pseudo header, of both families at once: the ffff of a mapped address adds nothing. Only the sum of
 * protocol and length counts.
 */
static __noinline __u32 pseudo_sum(const struct address *source, const struct address *destination,
				   __u32 protocol_and_length)
{
	struct {
		struct address source, destination;
		__be32 protocol_and_length;
	} pseudo = {
		.source = *source,
		.destination = *destination,
		.protocol_and_length = bpf_htonl(protocol_and_length),
	};

	return checksum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0));
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

/*
 * To sctp_to_host, which finds another route for the packet. The one that it has is let go on the way: a packet that waits for a
 * neighbour's address is sent by its old route when that is known.
 */
static __always_inline int reroute(struct __sk_buff *skb)
{
	skb->mark = HOST_MARK;
	return bpf_redirect(LOOPBACK, BPF_F_INGRESS);
}

/*
 * Into the node's own stack, which would take a packet from one of its own addresses, or by another device than leads back,
 * for a martian: it is sent out by the loopback device, with a route that leads in again. What is at that device has one, but
 * for what was rerouted; the mark changes, so that nothing goes round twice.
 */
static __always_inline int to_host(struct __sk_buff *skb)
{
	if (skb->ifindex != LOOPBACK)
		return reroute(skb);
	if (skb->mark != HOST_MARK)
		return VERDICT_NEXT;
	if (bpf_skb_change_type(skb, PACKET_FOR_US))
		return drop(COUNT_DROP_REWRITE_FAILED);
	skb->mark = FORWARDED_MARK;
	return bpf_redirect_neigh(LOOPBACK, NULL, 0, 0);
}

/* Back where the packet came from, past our own program at egress. */
static __always_inline int send_back(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 addresses[2 * ETH_ALEN];
	__u8 swapped[2 * ETH_ALEN];

	if (packet->leaves)
		return to_host(skb);
	if (bpf_skb_load_bytes(skb, 0, addresses, sizeof(addresses)))
		return drop(COUNT_DROP_REWRITE_FAILED);
	__builtin_memcpy(swapped, addresses + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(swapped + ETH_ALEN, addresses, ETH_ALEN);
	if (bpf_skb_store_bytes(skb, 0, swapped, sizeof(swapped), 0))
		return drop(COUNT_DROP_REWRITE_FAILED);
	skb->mark = FORWARDED_MARK;
	return bpf_redirect(skb->ifindex, 0);
}

/* The sum of a packet's IP header and all that stands before the transport's; negative when that is too long. */
static __noinline __s64 headers_sum(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 headers[ANSWERED_HEADERS] = {};
	__u32 bytes = packet->l4_offset - ETH_HLEN;

	if (bytes < sizeof(struct iphdr) || bytes > sizeof(headers))
		return -1;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, headers, bytes))
		return -1;
	return bpf_csum_diff(NULL, 0, (__be32 *)headers, sizeof(headers), 0);
}

/* An IP header from `from` to who sent `packet`, in front of `length` bytes of ICMP. */
static __always_inline long write_ip(struct __sk_buff *skb, const struct packet *packet,
				     const struct address *from, __u16 length)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = bpf_htons(sizeof(ip) + length),
		.ttl = ANSWER_TTL,
		.protocol = IPPROTO_ICMP,
		.saddr = from->word[3],
		.daddr = packet->tuple.source.word[3],
	};

	ip.check = ~checksum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0));
	return bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

static __always_inline long write_ipv6(struct __sk_buff *skb, const struct packet *packet,
				       const struct address *from, __u16 length)
{
	struct ipv6hdr ip = {
		.version = 6,
		.payload_len = bpf_htons(length),
		.nexthdr = IPPROTO_ICMPV6,
		.hop_limit = ANSWER_TTL,
	};

	__builtin_memcpy(&ip.saddr, from, sizeof(ip.saddr));
	__builtin_memcpy(&ip.daddr, &packet->tuple.source, sizeof(ip.daddr));
	return bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

/* How much of a transport header an ICMP error carries: an INIT's initiate tag is how its sender knows it again. */
static __always_inline __u32 answered_bytes(const struct packet *packet)
{
	if (packet->protocol == IPPROTO_TCP)
		return TCP_HEADER;
	if (packet->protocol == IPPROTO_SCTP && packet->begins)
		return SCTP_INITIATE_TAG + sizeof(__be32);
	return ANSWERED_LEAST;
}

/*
 * Answers a packet by an ICMP error from `from`. The error carries the packet's own headers and the first bytes
 * behind them; a checksum that the device will fill in makes those bytes sum up to the complement of what stands there
 * now, but for SCTP's. ICMPv6's own checksum covers a pseudo header.
 */
__noinline int answer_icmp(struct __sk_buff *skb, const struct packet *packet,
			   const struct address *from, struct icmp_error *error)
{
	__u32 bytes, length, ip;
	__u8 header[TCP_HEADER] = {};
	bool unfinished;
	__s64 sum;
	int failed;

	if (!packet || !from || !error)
		return VERDICT_DROP;
	bytes = answered_bytes(packet);
	if (bytes > ANSWERED_LEAST)
		failed = cut(skb, packet, header, sizeof(header), &unfinished);
	else
		failed = cut(skb, packet, header, ANSWERED_LEAST, &unfinished);
	sum = headers_sum(skb, packet);
	if (failed || sum < 0 || (unfinished && packet->protocol == IPPROTO_SCTP))
		return drop(COUNT_DROP_REWRITE_FAILED);
	if (!unfinished)
		sum = bpf_csum_diff(NULL, 0, (__be32 *)header, sizeof(header), sum);
	else if (packet->protocol == IPPROTO_TCP)
		sum = checksum_fold(sum) + (__u16) ~((struct tcphdr *)header)->check;
	else
		sum = checksum_fold(sum) + (__u16) ~((struct udphdr *)header)->check;
	length = sizeof(*error) + packet->l4_offset - ETH_HLEN + bytes;
	if (packet->v6)
		sum = checksum_fold(sum) +
		      pseudo_sum(from, &packet->tuple.source, IPPROTO_ICMPV6 + length);
	error->checksum = 0;
	error->checksum =
		~checksum_fold(bpf_csum_diff(NULL, 0, (__be32 *)error, sizeof(*error), sum));
	ip = packet->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	if (bpf_skb_adjust_room(skb, ip + sizeof(*error), BPF_ADJ_ROOM_MAC, 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN + ip, error, sizeof(*error), 0))
		return drop(COUNT_DROP_REWRITE_FAILED);
	if (packet->v6 ? write_ipv6(skb, packet, from, length)
		       : write_ip(skb, packet, from, length))
		return drop(COUNT_DROP_REWRITE_FAILED);
	return send_back(skb, packet);
}

#endif
