/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which frontend, if any, a destination is. */
#ifndef SANSPROXY_LIB_FRONTEND_H
#define SANSPROXY_LIB_FRONTEND_H

#include "addresses.h"

/*
 * An exact frontend first; else, for an address of a node as `address_flag` asks and a port of the NodePort range,
 * the wildcard of its family.
 */
static __always_inline const struct frontend *frontend_lookup(const struct node_config *config,
							      const struct address *address,
							      __be16 port, __u8 protocol,
							      __u32 address_flag)
{
	struct frontend_key key = {
		.address = *address,
		.port = port,
		.protocol = protocol,
		.kind = FRONTEND_ADDRESS,
	};
	const struct frontend *exact = bpf_map_lookup_elem(&frontends, &key);
	__u16 host_port = bpf_ntohs(port);

	if (exact)
		return exact;
	if (host_port < config->node_port_first || host_port > config->node_port_last)
		return NULL;
	if (!(node_address_flags(address) & address_flag))
		return NULL;
	key.kind = FRONTEND_NODE_PORT;
	if (address_is_v4(address)) {
		key.address.word[3] = 0;
	} else {
		key.address.word[0] = 0;
		key.address.word[1] = 0;
		key.address.word[2] = 0;
		key.address.word[3] = 0;
	}
	return bpf_map_lookup_elem(&frontends, &key);
}

/*
 * Whether the source ranges of a frontend let a packet from outside in. Nodes and pods need no range, as they are served
 * where they are; who says at our device to be one of them has to be in a range like anybody.
 */
static __always_inline bool frontend_admits(const struct frontend *frontend,
					    const struct address *source)
{
	struct source_range_key key = {
		.prefix_bits = 160,
		.service = frontend->service,
		.address = *source,
	};

	return !(frontend->flags & FRONTEND_SOURCE_RANGES) ||
	       bpf_map_lookup_elem(&source_ranges, &key);
}

/* A pod of another node whose own node has left the packet to us: to the Service it is a client inside the cluster. */
static __always_inline bool is_pod_elsewhere(const struct address *source)
{
	__u32 flags = network_flags(source);

	return (flags & NETWORK_NO_MASQUERADE) && !(flags & NETWORK_LOCAL_PODS) &&
	       !node_address_flags(source);
}

#endif
