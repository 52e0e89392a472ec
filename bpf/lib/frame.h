/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plain frames, parsed and rewritten where they lie: TCP and UDP in one piece right behind an IP header without options.
 * They are nearly all that there is, and all that XDP serves; of them packet_parse and rewrite say and do the same.
 */
#ifndef SANSPROXY_LIB_FRAME_H
#define SANSPROXY_LIB_FRAME_H

#include "packet.h"

/*
 * TCP and UDP begin with both ports. Whoever goes on from here compares with the frame's end again, for what it touches: the
 * verifier does not see that two choices by one value agree. Without CAP_PERFMON it lets nothing but constants be added to
 * the pointer to a packet, which a compiler left to itself makes one addition of a variable.
 */
static __always_inline struct udphdr *frame_ports(void *data, bool v6)
{
	void *ports = data + ETH_HLEN + sizeof(struct iphdr);

	if (v6)
		asm volatile("%[ports] += %[more]"
			     : [ports] "+r"(ports)
			     : [more] "i"(sizeof(struct ipv6hdr) - sizeof(struct iphdr)));
	return ports;
}

static __always_inline bool frame_parse_v4(const struct iphdr *ip, struct packet *packet)
{
	if (ip->version != 4 || ip->ihl != 5 ||
	    ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))
		return false;
	packet->tuple.source = address_from_v4(ip->saddr);
	packet->tuple.destination = address_from_v4(ip->daddr);
	packet->id = ip->id;
	packet->l4_offset = ETH_HLEN + sizeof(*ip);
	packet->protocol = ip->protocol;
	packet->ttl = ip->ttl;
	packet->length = bpf_ntohs(ip->tot_len);
	packet->whole = ip->frag_off & bpf_htons(IP_DO_NOT_FRAGMENT);
	return true;
}

static __always_inline bool frame_parse_v6(const struct ipv6hdr *ip, struct packet *packet)
{
	__builtin_memcpy(&packet->tuple.source, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(&packet->tuple.destination, &ip->daddr, sizeof(ip->daddr));
	packet->l4_offset = ETH_HLEN + sizeof(*ip);
	packet->protocol = ip->nexthdr;
	packet->ttl = ip->hop_limit;
	packet->length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	packet->whole = true;
	packet->v6 = 1;
	/* A mapped address on the wire would be taken for IPv4. */
	return ip->version == 6 && !address_is_v4(&packet->tuple.source) &&
	       !address_is_v4(&packet->tuple.destination);
}

static __always_inline bool frame_parse_ip(void *data, void *end, struct packet *packet)
{
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct ipv6hdr *ip6 = (void *)(ethernet + 1);

	if ((void *)(ip + 1) > end)
		return false;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP))
		return frame_parse_v4(ip, packet);
	return ethernet->h_proto == bpf_htons(ETH_P_IPV6) && (void *)(ip6 + 1) <= end &&
	       frame_parse_v6(ip6, packet);
}

/* Fills in the zeroed `packet` of a plain frame; of any other returns false, and what it has filled in says nothing. */
static __always_inline bool frame_parse(void *data, void *end, struct packet *packet)
{
	struct udphdr *udp;
	struct tcphdr *tcp;
	__u8 flags;

	if (!frame_parse_ip(data, end, packet))
		return false;
	udp = frame_ports(data, packet->v6);
	if ((void *)(udp + 1) > end)
		return false;
	packet->plain = true;
	packet->tuple.source_port = udp->source;
	packet->tuple.destination_port = udp->dest;
	packet->begins = true;
	if (packet->protocol == IPPROTO_UDP)
		return true;
	tcp = (void *)udp;
	if (packet->protocol != IPPROTO_TCP || (void *)(tcp + 1) > end)
		return false;
	flags = ((__u8 *)tcp)[TCP_FLAGS_OFFSET];
	packet->begins = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	packet->ends = flags & (TCP_FIN | TCP_RST);
	return true;
}

/* What a checksum's sum gains when `from` becomes `to`; any number of these add up. */
static __always_inline __u64 sum_change(__u32 from, __u32 to)
{
	return (__u64)(__u32)~from + to;
}

static __always_inline __u64 sum_change_address(const struct address *from,
						const struct address *to)
{
	return sum_change(from->word[0], to->word[0]) + sum_change(from->word[1], to->word[1]) +
	       sum_change(from->word[2], to->word[2]) + sum_change(from->word[3], to->word[3]);
}

static __always_inline __sum16 sum_apply(__sum16 checksum, __u64 change)
{
	__u64 sum = (__u16)~checksum + (change >> 32) + (change & 0xffffffff);

	for (int i = 0; i < 3; i++)
		sum = (sum >> 16) + (sum & 0xffff);
	return ~sum;
}

/* What the transport's checksum gains by the addresses, and by the ports. */
static __always_inline __u64 sum_change_addresses(const struct tuple *from, const struct tuple *to)
{
	return sum_change_address(&from->source, &to->source) +
	       sum_change_address(&from->destination, &to->destination);
}

static __always_inline __u64 sum_change_ports(const struct tuple *from, const struct tuple *to)
{
	return sum_change(from->source_port, to->source_port) +
	       sum_change(from->destination_port, to->destination_port);
}

static __always_inline bool frame_rewrite_v4(struct iphdr *ip, void *end,
					     const struct packet *packet, const struct tuple *to,
					     __u8 hops)
{
	const struct tuple *from = &packet->tuple;
	__u8 ttl = packet->ttl - hops;

	if ((void *)(ip + 1) > end)
		return false;
	ip->check = sum_apply(
		ip->check, sum_change(from->source.word[3], to->source.word[3]) +
				   sum_change(from->destination.word[3], to->destination.word[3]) +
				   sum_change(bpf_htons(packet->ttl << 8), bpf_htons(ttl << 8)));
	ip->saddr = to->source.word[3];
	ip->daddr = to->destination.word[3];
	ip->ttl = ttl;
	return true;
}

static __always_inline bool frame_rewrite_v6(struct ipv6hdr *ip, void *end,
					     const struct packet *packet, const struct tuple *to,
					     __u8 hops)
{
	if ((void *)(ip + 1) > end)
		return false;
	__builtin_memcpy(&ip->saddr, &to->source, sizeof(to->source));
	__builtin_memcpy(&ip->daddr, &to->destination, sizeof(to->destination));
	ip->hop_limit = packet->ttl - hops;
	return true;
}

/* All but the transport's checksum; `hops` are taken from the TTL. False when it is not the frame that was parsed. */
static __always_inline bool frame_rewrite(void *data, void *end, const struct packet *packet,
					  const struct tuple *to, __u8 hops)
{
	struct udphdr *udp = frame_ports(data, packet->v6);

	if ((void *)(udp + 1) > end)
		return false;
	udp->source = to->source_port;
	udp->dest = to->destination_port;
	if (packet->v6)
		return frame_rewrite_v6(data + ETH_HLEN, end, packet, to, hops);
	return frame_rewrite_v4(data + ETH_HLEN, end, packet, to, hops);
}

#endif
