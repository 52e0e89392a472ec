/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which frontend, if any, a destination is. */
#ifndef SANSPROXY_LIB_FRONTEND_H
#define SANSPROXY_LIB_FRONTEND_H

#include "addresses.h"

/* The NodePort of a family, whatever the address. */
static __always_inline const struct frontend *node_port_lookup(bool v4, __be16 port, __u8 protocol)
{
	struct frontend_key key = {
		.address = {.word = {0, 0, v4 ? V4_MAPPED_PREFIX : 0, 0}},
		.port = port,
		.protocol = protocol,
		.kind = FRONTEND_NODE_PORT,
	};

	return bpf_map_lookup_elem(&frontends, &key);
}

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
	if (!address_has_node_ports(address, address_flag))
		return NULL;
	return node_port_lookup(address_is_v4(address), port, protocol);
}

/*
 * Whether to leave a client inside the cluster to another node: externalTrafficPolicy Local asks that node at its own
 * addresses, and it may have no endpoint.
 */
static __always_inline bool frontend_is_elsewhere(const struct frontend *frontend,
						  const struct address *address)
{
	return (frontend->flags & FRONTEND_DROP) &&
	       (node_address_flags(address) & (ADDRESS_OWN | ADDRESS_CLUSTER)) == ADDRESS_CLUSTER;
}

/* Whether the source ranges of a frontend let a packet in. The node itself needs no range, as its sockets are served there. */
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

/*
 * A pod of another node whose own node has left the packet to us: to the Service it is a client inside the cluster,
 * unless it asks this very node at one of its addresses.
 */
static __always_inline bool is_pod_elsewhere(const struct address *source,
					     const struct address *destination)
{
	__u32 flags = network_flags(source);

	return (flags & NETWORK_CLUSTER_PODS) && !(flags & NETWORK_LOCAL_PODS) &&
	       !node_address_flags(source) && !(node_address_flags(destination) & ADDRESS_OWN);
}

#endif
