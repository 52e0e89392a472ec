/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a packet says: addresses, ports, and what its protocol means for a flow. */
#ifndef SANSPROXY_LIB_PACKET_H
#define SANSPROXY_LIB_PACKET_H

#include <stddef.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include "addresses.h"
#include "sctp.h"

/* linux/icmp.h asks for the C library, which has no headers for this target. */
#define ICMP_ECHO_REPLY 0
#define ICMP_UNREACHABLE 3
#define ICMP_ECHO_REQUEST 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define ICMPV6_UNREACHABLE 1
#define ICMPV6_TOO_BIG 2
#define ICMPV6_TIME_EXCEEDED 3
#define ICMPV6_PARAMETER_PROBLEM 4
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129

struct icmp_echo {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be16 id;
	__be16 sequence;
};

static_assert(sizeof(struct icmp_echo) == 8, "icmp_echo");

#define IP_DO_NOT_FRAGMENT 0x4000
#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff

/* An extension header. The last two are a fragment header's alone, which is 8 bytes long whatever `length` says. */
struct ipv6_extension {
	__u8 next;
	/* In 8 bytes, without the first. */
	__u8 length;
	__be16 offset_and_more;
	__be32 id;
};

static_assert(sizeof(struct ipv6_extension) == 8, "ipv6_extension");

#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 0x0001

#define TCP_DATA_OFFSET 12
#define TCP_FLAGS_OFFSET 13
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

enum fragment_kind {
	/* The whole packet. */
	FRAGMENT_NONE = 0,
	/* Has the transport header. */
	FRAGMENT_FIRST,
	/* Has no ports and no checksum. */
	FRAGMENT_LATER,
};

struct packet {
	struct tuple tuple;
	/* Of a fragment: what all fragments of its packet carry. */
	__be32 id;
	__u32 l4_offset;
	/* Of the IP packet, in bytes. */
	__u16 length;
	__u8 protocol;
	__u8 ttl;
	/* May begin a flow: a TCP SYN, an SCTP INIT, any UDP, an ICMP echo request. */
	bool begins;
	/* TCP: FIN or RST; SCTP: ABORT or SHUTDOWN COMPLETE. */
	bool ends;
	/* ICMP: an echo request; its identifier is the source port, an answer's the destination port. */
	bool asks;
	/* Its sender forbids fragmentation; IPv6 always does. */
	bool whole;
	/* It leaves the node's stack, which hears what answers it. */
	bool leaves;
	/* Nothing stands between the IP header, without options, and that of TCP or UDP; see frame.h. */
	bool plain;
	/* Not bool: the verifier does not know that one is 0 or 1. */
	__u8 v6;
	/* enum fragment_kind */
	__u8 fragment;
};

enum parsed {
	PARSED = 0,
	/* A later fragment: ports, and for IPv6 the protocol, are not read. */
	PARSED_LATER_FRAGMENT,
	/* An ICMP error about another packet; only the addresses are read. */
	PARSED_ERROR,
	/* Not a packet that this datapath translates. */
	PARSED_FOREIGN,
};

static __always_inline bool is_icmp(__u8 protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

/* Whether a flow of the protocol is a connection, which one packet begins; packets in mid-stream do not. */
static __always_inline bool has_connections(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_SCTP;
}

/* Of ICMP messages those that are about another packet. */
static __always_inline bool is_icmp_error(bool v6, __u8 type)
{
	if (v6)
		return type >= ICMPV6_UNREACHABLE && type <= ICMPV6_PARAMETER_PROBLEM;
	return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETER_PROBLEM;
}

/* TCP, UDP and SCTP begin with both ports. */
static __always_inline enum parsed packet_parse_ports(struct __sk_buff *skb, struct packet *packet)
{
	__be16 ports[2];

	if (bpf_skb_load_bytes(skb, packet->l4_offset, ports, sizeof(ports)))
		return PARSED_FOREIGN;
	packet->tuple.source_port = ports[0];
	packet->tuple.destination_port = ports[1];
	packet->begins = true;
	return PARSED;
}

static __always_inline enum parsed packet_parse_tcp_flags(struct __sk_buff *skb,
							  struct packet *packet)
{
	__u8 flags;

	if (bpf_skb_load_bytes(skb, packet->l4_offset + TCP_FLAGS_OFFSET, &flags, sizeof(flags)))
		return PARSED_FOREIGN;
	packet->begins = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	packet->ends = flags & (TCP_FIN | TCP_RST);
	return PARSED;
}

/* INIT and SHUTDOWN COMPLETE are alone in their packet; an ABORT behind other chunks is not seen. */
static __always_inline enum parsed packet_parse_chunk(struct __sk_buff *skb, struct packet *packet)
{
	__u8 chunk;

	if (bpf_skb_load_bytes(skb, packet->l4_offset + offsetof(struct sctp_header, chunk), &chunk,
			       sizeof(chunk)))
		return PARSED_FOREIGN;
	packet->begins = chunk == SCTP_INIT;
	packet->ends = chunk == SCTP_ABORT || chunk == SCTP_SHUTDOWN_COMPLETE;
	return PARSED;
}

static __always_inline enum parsed packet_parse_icmp(struct __sk_buff *skb, struct packet *packet)
{
	struct icmp_echo icmp;

	if (bpf_skb_load_bytes(skb, packet->l4_offset, &icmp, sizeof(icmp)))
		return PARSED_FOREIGN;
	if (is_icmp_error(packet->v6, icmp.type))
		return PARSED_ERROR;
	if (icmp.type == (packet->v6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO_REQUEST)) {
		packet->tuple.source_port = icmp.id;
		packet->begins = true;
		packet->asks = true;
		return PARSED;
	}
	if (icmp.type != (packet->v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHO_REPLY))
		return PARSED_FOREIGN;
	packet->tuple.destination_port = icmp.id;
	return PARSED;
}

/* How many extension headers may stand before the transport's. */
#define IPV6_EXTENSIONS 4

/* Walks to the transport header, or to where it would be in a later fragment. */
static __always_inline enum parsed packet_skip_extensions(struct __sk_buff *skb,
							  struct packet *packet, __u8 next)
{
	struct ipv6_extension extension;

	for (int i = 0; i <= IPV6_EXTENSIONS; i++) {
		switch (next) {
		case IPPROTO_TCP:
		case IPPROTO_UDP:
		case IPPROTO_SCTP:
		case IPPROTO_ICMPV6:
			packet->protocol = next;
			return PARSED;
		case IPPROTO_FRAGMENT:
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			break;
		default:
			return PARSED_FOREIGN;
		}
		if (bpf_skb_load_bytes(skb, packet->l4_offset, &extension, sizeof(extension)))
			return PARSED_FOREIGN;
		if (next == IPPROTO_FRAGMENT) {
			extension.length = 0;
			packet->id = extension.id;
			if (extension.offset_and_more & bpf_htons(IPV6_MORE_FRAGMENTS))
				packet->fragment = FRAGMENT_FIRST;
			if (extension.offset_and_more & bpf_htons(IPV6_FRAGMENT_OFFSET))
				packet->fragment = FRAGMENT_LATER;
		}
		next = extension.next;
		packet->l4_offset += (extension.length + 1) * 8;
		if (packet->fragment == FRAGMENT_LATER)
			return PARSED_LATER_FRAGMENT;
	}
	return PARSED_FOREIGN;
}

static __always_inline enum parsed packet_parse_ipv6(struct __sk_buff *skb, __u32 offset,
						     struct packet *packet)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) || ip.version != 6)
		return PARSED_FOREIGN;
	__builtin_memcpy(&packet->tuple.source, &ip.saddr, sizeof(ip.saddr));
	__builtin_memcpy(&packet->tuple.destination, &ip.daddr, sizeof(ip.daddr));
	/* A mapped address on the wire would be taken for IPv4. */
	if (address_is_v4(&packet->tuple.source) || address_is_v4(&packet->tuple.destination))
		return PARSED_FOREIGN;
	packet->v6 = 1;
	packet->whole = true;
	packet->ttl = ip.hop_limit;
	packet->length = sizeof(ip) + bpf_ntohs(ip.payload_len);
	packet->l4_offset = offset + sizeof(ip);
	return packet_skip_extensions(skb, packet, ip.nexthdr);
}

/*
 * Reads the IP header at `offset`, of the family that the frame says, as far as the transport's; `packet` must be zeroed
 * by the caller. An enum parsed, but never PARSED_ERROR.
 */
__noinline int packet_parse_ip(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	struct iphdr ip;

	if (!packet)
		return PARSED_FOREIGN;
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return packet_parse_ipv6(skb, offset, packet);
	if (skb->protocol != bpf_htons(ETH_P_IP))
		return PARSED_FOREIGN;
	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return PARSED_FOREIGN;
	packet->tuple.source = address_from_v4(ip.saddr);
	packet->tuple.destination = address_from_v4(ip.daddr);
	packet->protocol = ip.protocol;
	packet->ttl = ip.ttl;
	packet->length = bpf_ntohs(ip.tot_len);
	packet->whole = ip.frag_off & bpf_htons(IP_DO_NOT_FRAGMENT);
	packet->id = ip.id;
	packet->l4_offset = offset + ip.ihl * 4;
	if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP &&
	    ip.protocol != IPPROTO_SCTP && ip.protocol != IPPROTO_ICMP)
		return PARSED_FOREIGN;
	if (ip.frag_off & bpf_htons(IP_MORE_FRAGMENTS))
		packet->fragment = FRAGMENT_FIRST;
	if (!(ip.frag_off & bpf_htons(IP_FRAGMENT_OFFSET)))
		return PARSED;
	packet->fragment = FRAGMENT_LATER;
	return PARSED_LATER_FRAGMENT;
}

/* `packet` must be zeroed by the caller. */
__noinline int packet_parse(struct __sk_buff *skb, struct packet *packet)
{
	int parsed;

	if (!packet)
		return PARSED_FOREIGN;
	parsed = packet_parse_ip(skb, ETH_HLEN, packet);
	if (parsed != PARSED)
		return parsed;
	if (is_icmp(packet->protocol))
		return packet_parse_icmp(skb, packet);
	parsed = packet_parse_ports(skb, packet);
	if (parsed != PARSED || packet->protocol == IPPROTO_UDP)
		return parsed;
	if (packet->protocol == IPPROTO_SCTP)
		return packet_parse_chunk(skb, packet);
	return packet_parse_tcp_flags(skb, packet);
}

static __always_inline struct tuple tuple_reverse(const struct tuple *tuple)
{
	struct tuple reverse = {
		.source = tuple->destination,
		.destination = tuple->source,
		.source_port = tuple->destination_port,
		.destination_port = tuple->source_port,
	};

	return reverse;
}

#endif
