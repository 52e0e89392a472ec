/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a socket was told it talks to, and what it really talks to. */
#ifndef SANSPROXY_LIB_SOCKET_FLOW_H
#define SANSPROXY_LIB_SOCKET_FLOW_H

#include "backend.h"

struct endpoint {
	struct address address;
	__be16 port;
	__u8 protocol;
	__u8 reserved;
};

static __always_inline struct socket_flow_key
socket_flow_key(__u64 cookie, const struct endpoint *endpoint, __u8 direction)
{
	struct socket_flow_key key = {
		.cookie = cookie,
		.address = endpoint->address,
		.port = endpoint->port,
		.protocol = endpoint->protocol,
		.direction = direction,
	};

	return key;
}

/*
 * Remembers that `socket` reaches `frontend` through `backend`. False when the kernel has no room for it. Without `create`
 * only what is remembered already is replaced, which cannot fail.
 */
static __always_inline bool socket_peer_remember(struct bpf_sock *socket,
						 const struct endpoint *frontend,
						 const struct endpoint *backend, __u32 id,
						 __u32 flags, bool create)
{
	struct socket_peer *peer = bpf_sk_storage_get(&socket_peers, socket, NULL,
						      create ? BPF_SK_STORAGE_GET_F_CREATE : 0);

	if (!peer)
		return !create;
	peer->frontend = frontend->address;
	peer->frontend_port = frontend->port;
	peer->backend = backend->address;
	peer->backend_port = backend->port;
	peer->backend_id = id;
	peer->flags = flags;
	return true;
}

static __always_inline bool socket_peer_is(const struct socket_peer *peer,
					   const struct endpoint *endpoint)
{
	return peer->backend_port == endpoint->port &&
	       address_equal(&peer->backend, &endpoint->address);
}

/* The same of one datagram of a socket that is not connected; false when the map has no room. */
static __always_inline bool socket_flow_remember(__u64 cookie, const struct endpoint *frontend,
						 const struct endpoint *backend, __u32 id)
{
	struct socket_flow_key key = socket_flow_key(cookie, backend, SOCKET_TO_FRONTEND);
	struct socket_flow flow = {
		.address = frontend->address,
		.port = frontend->port,
		.backend = id,
	};

	if (bpf_map_update_elem(&socket_flows, &key, &flow, BPF_ANY))
		return false;
	key = socket_flow_key(cookie, frontend, SOCKET_TO_BACKEND);
	flow.address = backend->address;
	flow.port = backend->port;
	return !bpf_map_update_elem(&socket_flows, &key, &flow, BPF_ANY);
}

/* The backend this socket used for the frontend before, if it still exists. */
static __always_inline bool socket_flow_backend(__u64 cookie, const struct endpoint *frontend,
						struct endpoint *backend, __u32 *id)
{
	struct socket_flow_key key = socket_flow_key(cookie, frontend, SOCKET_TO_BACKEND);
	const struct socket_flow *flow = bpf_map_lookup_elem(&socket_flows, &key);

	if (!flow || !backend_is(flow->backend, &flow->address, flow->port, frontend->protocol))
		return false;
	backend->address = flow->address;
	backend->port = flow->port;
	backend->protocol = frontend->protocol;
	*id = flow->backend;
	return true;
}

/* Replaces a backend by the frontend that the application knows it as. */
static __always_inline bool socket_reverse(struct bpf_sock *socket, __u64 cookie,
					   struct endpoint *peer)
{
	const struct socket_peer *known = bpf_sk_storage_get(&socket_peers, socket, NULL, 0);
	const struct socket_flow *flow;
	struct socket_flow_key key;

	if (known && socket_peer_is(known, peer)) {
		peer->address = known->frontend;
		peer->port = known->frontend_port;
		return true;
	}
	key = socket_flow_key(cookie, peer, SOCKET_TO_FRONTEND);
	flow = bpf_map_lookup_elem(&socket_flows, &key);
	if (!flow)
		return false;
	peer->address = flow->address;
	peer->port = flow->port;
	return true;
}

#endif
