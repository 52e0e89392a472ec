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

/* linux/icmp.h asks for the C library, which has no headers for this target. */
#define ICMP_ECHO_REPLY 0
#define ICMP_UNREACHABLE 3
#define ICMP_ECHO_REQUEST 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
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

#define TCP_DATA_OFFSET 12
#define TCP_FLAGS_OFFSET 13
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct packet {
	struct tuple tuple;
	__u32 l4_offset;
	/* Of the IP packet, in bytes. */
	__u16 length;
	__u8 protocol;
	__u8 ttl;
	/* May begin a flow: a TCP SYN, any UDP, an ICMP echo request. */
	bool begins;
	/* TCP: FIN or RST. */
	bool ends;
	/* ICMP: an echo request; its identifier is the source port, an answer's the destination port. */
	bool asks;
	/* Its sender forbids fragmentation; IPv6 always does. */
	bool whole;
	/* Not bool: the verifier does not know that one is 0 or 1. */
	__u8 v6;
};

enum parsed {
	PARSED = 0,
	PARSED_FRAGMENT,
	/* An ICMP error about another packet; only the addresses are read. */
	PARSED_ERROR,
	/* Not a packet that this datapath translates. */
	PARSED_FOREIGN,
};

static __always_inline enum parsed packet_parse_ports(struct __sk_buff *skb, struct packet *packet)
{
	__be16 ports[2];
	__u8 flags;

	if (bpf_skb_load_bytes(skb, packet->l4_offset, ports, sizeof(ports)))
		return PARSED_FOREIGN;
	packet->tuple.source_port = ports[0];
	packet->tuple.destination_port = ports[1];
	packet->begins = true;
	if (packet->protocol == IPPROTO_UDP)
		return PARSED;
	if (bpf_skb_load_bytes(skb, packet->l4_offset + TCP_FLAGS_OFFSET, &flags, sizeof(flags)))
		return PARSED_FOREIGN;
	packet->begins = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	packet->ends = flags & (TCP_FIN | TCP_RST);
	return PARSED;
}

static __always_inline bool is_icmp(__u8 protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

static __always_inline enum parsed packet_parse_echo(struct __sk_buff *skb, struct packet *packet)
{
	struct icmp_echo icmp;

	if (bpf_skb_load_bytes(skb, packet->l4_offset, &icmp, sizeof(icmp)))
		return PARSED_FOREIGN;
	if (icmp.type == (packet->v6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO_REQUEST)) {
		packet->tuple.source_port = icmp.id;
		packet->begins = true;
		packet->asks = true;
		return PARSED;
	}
	if (packet->v6 && icmp.type != ICMPV6_ECHO_REPLY)
		return PARSED_FOREIGN;
	if (!packet->v6 && (icmp.type == ICMP_UNREACHABLE || icmp.type == ICMP_TIME_EXCEEDED ||
			    icmp.type == ICMP_PARAMETER_PROBLEM))
		return PARSED_ERROR;
	if (!packet->v6 && icmp.type != ICMP_ECHO_REPLY)
		return PARSED_FOREIGN;
	packet->tuple.destination_port = icmp.id;
	return PARSED;
}

static __always_inline enum parsed packet_parse_transport(struct __sk_buff *skb,
							  struct packet *packet)
{
	if (is_icmp(packet->protocol))
		return packet_parse_echo(skb, packet);
	return packet_parse_ports(skb, packet);
}

/* How many extension headers may stand before the transport's. */
#define IPV6_EXTENSIONS 4

/* Walks to the transport header. */
static __always_inline enum parsed packet_skip_extensions(struct __sk_buff *skb,
							  struct packet *packet, __u8 next)
{
	struct ipv6_opt_hdr extension;

	for (int i = 0; i <= IPV6_EXTENSIONS; i++) {
		switch (next) {
		case IPPROTO_TCP:
		case IPPROTO_UDP:
		case IPPROTO_ICMPV6:
			packet->protocol = next;
			return packet_parse_transport(skb, packet);
		case IPPROTO_FRAGMENT:
			return PARSED_FRAGMENT;
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			break;
		default:
			return PARSED_FOREIGN;
		}
		if (bpf_skb_load_bytes(skb, packet->l4_offset, &extension, sizeof(extension)))
			return PARSED_FOREIGN;
		next = extension.nexthdr;
		packet->l4_offset += (extension.hdrlen + 1) * 8;
	}
	return PARSED_FOREIGN;
}

static __always_inline enum parsed packet_parse_v6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.version != 6)
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
	packet->l4_offset = ETH_HLEN + sizeof(ip);
	return packet_skip_extensions(skb, packet, ip.nexthdr);
}

/* `packet` must be zeroed by the caller. */
__noinline int packet_parse(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr ip;

	if (!packet)
		return PARSED_FOREIGN;
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return packet_parse_v6(skb, packet);
	if (skb->protocol != bpf_htons(ETH_P_IP))
		return PARSED_FOREIGN;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return PARSED_FOREIGN;
	packet->tuple.source = address_from_v4(ip.saddr);
	packet->tuple.destination = address_from_v4(ip.daddr);
	packet->protocol = ip.protocol;
	packet->ttl = ip.ttl;
	packet->length = bpf_ntohs(ip.tot_len);
	packet->whole = ip.frag_off & bpf_htons(IP_DO_NOT_FRAGMENT);
	packet->l4_offset = ETH_HLEN + ip.ihl * 4;
	if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP && ip.protocol != IPPROTO_ICMP)
		return PARSED_FOREIGN;
	if (ip.frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))
		return PARSED_FRAGMENT;
	return packet_parse_transport(skb, packet);
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
