/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* 16-byte addresses, and what this node knows about them. */
#ifndef SANSPROXY_LIB_ADDRESSES_H
#define SANSPROXY_LIB_ADDRESSES_H

#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include "../maps.h"

#define V4_MAPPED_PREFIX bpf_htonl(0xffff)

static __always_inline struct address address_from_v4(__be32 v4)
{
	struct address address = {.word = {0, 0, V4_MAPPED_PREFIX, v4}};

	return address;
}

static __always_inline bool address_is_v4(const struct address *address)
{
	return !address->word[0] && !address->word[1] && address->word[2] == V4_MAPPED_PREFIX;
}

static __always_inline bool address_equal(const struct address *a, const struct address *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

static __always_inline const struct node_config *node(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&node_config, &zero);
}

/*
 * What the node's own traffic of a family leaves from; false where it has no such address. The barrier keeps two loads from
 * becoming one through a computed pointer, which the verifier refuses without CAP_PERFMON.
 */
static __always_inline bool node_source(const struct node_config *config, bool v4,
					struct address *source)
{
	if (v4) {
		*source = config->masquerade_v4;
		asm volatile("" ::: "memory");
	} else {
		*source = config->masquerade_v6;
	}
	return source->word[0] || source->word[1] || source->word[2] || source->word[3];
}

/* Whether pods' packets of a family that leave the cluster get an address of the node. */
static __always_inline bool node_masquerades(const struct node_config *config, bool v4)
{
	return config->flags & (v4 ? NODE_MASQUERADE_V4 : NODE_MASQUERADE_V6);
}

/* enum address_flags, 0 for an address of no node. */
static __always_inline __u32 node_address_flags(const struct address *address)
{
	__u32 *flags = bpf_map_lookup_elem(&node_addresses, address);

	return flags ? *flags : 0;
}

static __always_inline bool is_own(const struct address *address)
{
	return node_address_flags(address) & ADDRESS_OWN;
}

/* Whether an address has `flag`, and NodePorts are served there. */
static __always_inline bool address_has_node_ports(const struct address *address, __u32 flag)
{
	return (node_address_flags(address) & (flag | ADDRESS_NO_NODE_PORT)) == flag;
}

/* 127.0.0.0/8 or ::1. */
static __always_inline bool address_is_loopback(const struct address *address)
{
	if (address_is_v4(address))
		return (address->word[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return !address->word[0] && !address->word[1] && !address->word[2] &&
	       address->word[3] == bpf_htonl(1);
}

static __always_inline bool address_is_any(const struct address *address)
{
	if (address_is_v4(address))
		return !address->word[3];
	return !address->word[0] && !address->word[1] && !address->word[2] && !address->word[3];
}

/* enum network_flags, 0 for an address in no known network. */
static __always_inline __u32 network_flags(const struct address *address)
{
	struct network_key key = {.prefix_bits = 128, .address = *address};
	__u32 *flags = bpf_map_lookup_elem(&networks, &key);

	return flags ? *flags : 0;
}

#endif
