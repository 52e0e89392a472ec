/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Changes addresses, ports and TTL of a packet, with its checksums. */
#ifndef SANSPROXY_LIB_REWRITE_H
#define SANSPROXY_LIB_REWRITE_H

#include "frame.h"

#define IPV4_CHECKSUM (ETH_HLEN + offsetof(struct iphdr, check))
#define ICMP_ECHO_ID offsetof(struct icmp_echo, id)

static __always_inline __u32 checksum_offset(const struct packet *packet)
{
	switch (packet->protocol) {
	case IPPROTO_TCP:
		return packet->l4_offset + offsetof(struct tcphdr, check);
	case IPPROTO_UDP:
		return packet->l4_offset + offsetof(struct udphdr, check);
	default:
		return packet->l4_offset + offsetof(struct icmp_echo, checksum);
	}
}

/* SCTP, and ICMP for IPv4, have no pseudo header; later fragments have no checksum. */
static __always_inline bool checksum_has_addresses(const struct packet *packet)
{
	return packet->protocol != IPPROTO_ICMP && packet->protocol != IPPROTO_SCTP &&
	       packet->fragment != FRAGMENT_LATER;
}

/* A UDP checksum of zero means "none", and stays. */
static __always_inline __u64 checksum_flags(const struct packet *packet)
{
	return packet->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
}

static __always_inline long rewrite_address(struct __sk_buff *skb, const struct packet *packet,
					    __u32 offset, __be32 from, __be32 to)
{
	if (from == to)
		return 0;
	if (checksum_has_addresses(packet) &&
	    bpf_l4_csum_replace(skb, checksum_offset(packet), from, to,
				BPF_F_PSEUDO_HDR | checksum_flags(packet) | sizeof(to)))
		return -1;
	if (bpf_l3_csum_replace(skb, IPV4_CHECKSUM, from, to, sizeof(to)))
		return -1;
	return bpf_skb_store_bytes(skb, offset, &to, sizeof(to), 0);
}

/* IPv6 has no checksum of its own. */
static __always_inline long rewrite_address_v6(struct __sk_buff *skb, const struct packet *packet,
					       __u32 offset, const struct address *from,
					       const struct address *to)
{
	__s64 difference;

	if (address_equal(from, to))
		return 0;
	difference = bpf_csum_diff((__be32 *)from, sizeof(*from), (__be32 *)to, sizeof(*to), 0);
	if (checksum_has_addresses(packet) &&
	    bpf_l4_csum_replace(skb, checksum_offset(packet), 0, difference,
				BPF_F_PSEUDO_HDR | checksum_flags(packet)))
		return -1;
	/*
	 * In the sum that a device may have taken over the packet the address counts, and cancels what the transport's
	 * checksum does; the helper has counted that only, as is right for IPv4. Without such a sum this does nothing.
	 */
	bpf_csum_update(skb, difference);
	return bpf_skb_store_bytes(skb, offset, to, sizeof(*to), 0);
}

static __always_inline long rewrite_addresses(struct __sk_buff *skb, const struct packet *packet,
					      const struct tuple *to)
{
	const struct tuple *from = &packet->tuple;

	if (packet->v6)
		return rewrite_address_v6(skb, packet, ETH_HLEN + offsetof(struct ipv6hdr, saddr),
					  &from->source, &to->source) ||
		       rewrite_address_v6(skb, packet, ETH_HLEN + offsetof(struct ipv6hdr, daddr),
					  &from->destination, &to->destination);
	return rewrite_address(skb, packet, ETH_HLEN + offsetof(struct iphdr, saddr),
			       from->source.word[3], to->source.word[3]) ||
	       rewrite_address(skb, packet, ETH_HLEN + offsetof(struct iphdr, daddr),
			       from->destination.word[3], to->destination.word[3]);
}

static __always_inline long rewrite_port(struct __sk_buff *skb, const struct packet *packet,
					 __u32 offset, __be16 from, __be16 to)
{
	if (from == to)
		return 0;
	if (bpf_l4_csum_replace(skb, checksum_offset(packet), from, to,
				checksum_flags(packet) | sizeof(to)))
		return -1;
	return bpf_skb_store_bytes(skb, packet->l4_offset + offset, &to, sizeof(to), 0);
}

/*
 * A checksum of zero is one that the device will fill in, or one in 2^32 that its receiver will throw away. What the first
 * of several fragments covers is not known here: it keeps its ports, or cannot be rewritten.
 */
static __always_inline long rewrite_sctp_ports(struct __sk_buff *skb, const struct packet *packet,
					       const struct tuple *to)
{
	struct sctp_header header;
	__u32 from;

	if (bpf_skb_load_bytes(skb, packet->l4_offset, &header, SCTP_PORTS_AND_CHECKSUM))
		return -1;
	from = header.ports;
	header.source = to->source_port;
	header.destination = to->destination_port;
	if (header.ports == from)
		return 0;
	if (packet->fragment)
		return -1;
	if (header.checksum)
		header.checksum ^= crc32c_move(header.ports ^ from,
					       packet->length - (packet->l4_offset - ETH_HLEN));
	return bpf_skb_store_bytes(skb, packet->l4_offset, &header, SCTP_PORTS_AND_CHECKSUM,
				   BPF_F_RECOMPUTE_CSUM);
}

static __always_inline long rewrite_ports(struct __sk_buff *skb, const struct packet *packet,
					  const struct tuple *to)
{
	const struct tuple *from = &packet->tuple;

	if (packet->fragment == FRAGMENT_LATER)
		return 0;
	if (is_icmp(packet->protocol) && packet->asks)
		return rewrite_port(skb, packet, ICMP_ECHO_ID, from->source_port, to->source_port);
	if (is_icmp(packet->protocol))
		return rewrite_port(skb, packet, ICMP_ECHO_ID, from->destination_port,
				    to->destination_port);
	if (packet->protocol == IPPROTO_SCTP)
		return rewrite_sctp_ports(skb, packet, to);
	/* TCP and UDP begin with both ports, in this order. */
	if (rewrite_port(skb, packet, offsetof(struct udphdr, source), from->source_port,
			 to->source_port))
		return -1;
	return rewrite_port(skb, packet, offsetof(struct udphdr, dest), from->destination_port,
			    to->destination_port);
}

static __always_inline long rewrite_ttl(struct __sk_buff *skb, const struct packet *packet)
{
	__be16 from = bpf_htons(packet->ttl << 8);
	__be16 to = bpf_htons((packet->ttl - 1) << 8);
	__u8 ttl = packet->ttl - 1;

	if (packet->v6)
		return bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, hop_limit),
					   &ttl, sizeof(ttl), 0);
	if (bpf_l3_csum_replace(skb, IPV4_CHECKSUM, from, to, sizeof(to)))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, ttl), &ttl, sizeof(ttl),
				   0);
}

static __always_inline __s64 sum_folded(__u64 sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	return (__u32)((sum >> 32) + sum);
}

/*
 * The kernel changes the transport's checksum alone, as it knows whether that is whole, or is left to a device that sends the
 * packet and has the addresses in it only; see rewrite_address_v6 for the sum over a received packet.
 */
static __always_inline long rewrite_plain(struct __sk_buff *skb, const struct packet *packet,
					  const struct tuple *to, __u8 hops)
{
	__u32 offset =
		packet->v6 ? ETH_HLEN + sizeof(struct ipv6hdr) : ETH_HLEN + sizeof(struct iphdr);
	__s64 addresses = sum_folded(sum_change_addresses(&packet->tuple, to));
	__s64 ports = packet->tuple.source_port == to->source_port &&
				      packet->tuple.destination_port == to->destination_port
			      ? 0
			      : sum_folded(sum_change_ports(&packet->tuple, to));

	offset += packet->protocol == IPPROTO_UDP ? offsetof(struct udphdr, check)
						  : offsetof(struct tcphdr, check);
	if (bpf_l4_csum_replace(skb, offset, 0, addresses,
				BPF_F_PSEUDO_HDR | checksum_flags(packet)))
		return -1;
	if (packet->v6)
		bpf_csum_update(skb, addresses);
	if (ports && bpf_l4_csum_replace(skb, offset, 0, ports, checksum_flags(packet)))
		return -1;
	return frame_rewrite((void *)(long)skb->data, (void *)(long)skb->data_end, packet, to, hops)
		       ? 0
		       : -1;
}

/* A global function, as it is rarely called and takes long to verify. */
__noinline long rewrite_by_helpers(struct __sk_buff *skb, const struct packet *packet,
				   const struct tuple *to, __u8 hops)
{
	if (!packet || !to || rewrite_addresses(skb, packet, to) || rewrite_ports(skb, packet, to))
		return -1;
	return hops ? rewrite_ttl(skb, packet) : 0;
}

/*
 * Takes `hops` from the TTL, too. 0, or negative when the packet could not be changed; it must then be dropped, as it may be
 * half done.
 */
static __always_inline long rewrite(struct __sk_buff *skb, const struct packet *packet,
				    const struct tuple *to, __u8 hops)
{
	if (packet->plain)
		return rewrite_plain(skb, packet, to, hops);
	return rewrite_by_helpers(skb, packet, to, hops);
}

#endif
