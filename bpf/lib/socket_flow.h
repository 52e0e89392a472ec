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

/* Remembers that `cookie` reaches `frontend` through `backend`; false when the map has no room. */
static __always_inline bool socket_flow_remember(__u64 cookie, const struct endpoint *frontend,
						 const struct endpoint *backend, __u32 id,
						 bool both_ways, __u16 flags)
{
	struct socket_flow_key key = socket_flow_key(cookie, backend, SOCKET_TO_FRONTEND);
	struct socket_flow flow = {
		.address = frontend->address,
		.port = frontend->port,
		.flags = flags,
		.backend = id,
	};

	if (bpf_map_update_elem(&socket_flows, &key, &flow, BPF_ANY))
		return false;
	if (!both_ways)
		return true;
	key = socket_flow_key(cookie, frontend, SOCKET_TO_BACKEND);
	flow.flags = 0;
	flow.address = backend->address;
	flow.port = backend->port;
	return !bpf_map_update_elem(&socket_flows, &key, &flow, BPF_ANY);
}

/* The backend this socket used for the frontend before, if it still exists. */
static __always_inline bool socket_flow_backend(__u64 cookie, const struct endpoint *frontend,
						struct endpoint *backend)
{
	struct socket_flow_key key = socket_flow_key(cookie, frontend, SOCKET_TO_BACKEND);
	const struct socket_flow *flow = bpf_map_lookup_elem(&socket_flows, &key);

	if (!flow || !backend_is(flow->backend, &flow->address, flow->port, frontend->protocol))
		return false;
	backend->address = flow->address;
	backend->port = flow->port;
	backend->protocol = frontend->protocol;
	return true;
}

/* Replaces a backend by the frontend that the application knows it as. */
static __always_inline bool socket_flow_reverse(__u64 cookie, struct endpoint *peer)
{
	struct socket_flow_key key = socket_flow_key(cookie, peer, SOCKET_TO_FRONTEND);
	const struct socket_flow *flow = bpf_map_lookup_elem(&socket_flows, &key);

	if (!flow)
		return false;
	peer->address = flow->address;
	peer->port = flow->port;
	return true;
}

#endif
