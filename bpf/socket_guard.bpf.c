// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What sockets of this cgroup tree may not do: reach a Service from outside its source ranges, send to a backend that has gone, or
 * take a NodePort's port.
 */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include "lib/counters.h"
#include "lib/frontend.h"
#include "lib/socket_flow.h"

enum guard_verdict {
	GUARD_REFUSE = 0,
	GUARD_PROCEED = 1,
};

/* Who sends a packet to whom. */
struct sent {
	struct address source;
	struct address destination;
	/* By way of the destination: whom to, a routing header says further on. */
	bool routed;
};

/* Options that the kernel puts before a routing header: of every hop, and of every router. */
#define BEFORE_ROUTING 2

static __always_inline bool has_routing_header(struct __sk_buff *skb, __u8 next)
{
	__u32 offset = sizeof(struct ipv6hdr);
	struct ipv6_opt_hdr header;

#pragma unroll
	for (int i = 0; i < BEFORE_ROUTING; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS)
			break;
		if (bpf_skb_load_bytes(skb, offset, &header, sizeof(header)))
			return true;
		offset += (header.hdrlen + 1) * 8;
		next = header.nexthdr;
	}
	return next == IPPROTO_ROUTING;
}

/* A socket's packet has no link header yet. */
static __always_inline bool sent_read(struct __sk_buff *skb, struct sent *sent)
{
	struct iphdr v4;
	struct ipv6hdr v6;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, 0, &v4, sizeof(v4)))
			return false;
		sent->source = address_from_v4(v4.saddr);
		sent->destination = address_from_v4(v4.daddr);
		return true;
	}
	if (bpf_skb_load_bytes(skb, 0, &v6, sizeof(v6)))
		return false;
	__builtin_memcpy(&sent->source, &v6.saddr, sizeof(v6.saddr));
	__builtin_memcpy(&sent->destination, &v6.daddr, sizeof(v6.daddr));
	sent->routed = has_routing_header(skb, v6.nexthdr);
	return true;
}

static __noinline int admitted(const struct socket_peer *peer, __u8 protocol,
			       const struct address *source)
{
	struct frontend_key key = {
		.address = peer->frontend,
		.port = peer->frontend_port,
		.protocol = protocol,
	};
	const struct frontend *frontend = bpf_map_lookup_elem(&frontends, &key);

	return !frontend || frontend_admits(frontend, source);
}

/*
 * Whether a socket sends its datagrams to a backend that has gone: no hook sees another choice to make while it is connected. Such
 * a socket may still say with each datagram where that goes.
 */
static __noinline bool sends_to_absent(struct __sk_buff *skb, const struct bpf_sock *socket,
				       const struct socket_peer *peer)
{
	struct sent sent = {};

	if (socket->protocol != IPPROTO_UDP || socket->state != BPF_TCP_ESTABLISHED ||
	    backend_is(peer->backend_id, &peer->backend, peer->backend_port, IPPROTO_UDP))
		return false;
	return sent_read(skb, &sent) && address_equal(&sent.destination, &peer->backend);
}

/*
 * A socket connects before it has a source, which only its packets show. A pod that no range admits is not answered, as
 * where its packets would be dropped on their way. What a packet begins is known from its socket: its headers may be any. One
 * that is sent by way of others counts as sent to the backend.
 * Nearly no socket has such a frontend for peer, and every packet of all passes here.
 */
SEC("cgroup_skb/egress")
int socket_egress(struct __sk_buff *skb)
{
	struct bpf_sock *socket = skb->sk;
	const struct socket_peer *peer;
	struct sent sent = {};

	if (socket)
		socket = bpf_sk_fullsock(socket);
	if (!socket)
		return GUARD_PROCEED;
	peer = bpf_sk_storage_get(&socket_peers, socket, NULL, 0);
	if (!peer)
		return GUARD_PROCEED;
	if (sends_to_absent(skb, socket, peer)) {
		/* The application hears EPERM, and may connect to a backend that is there. */
		count(COUNT_DROP_BACKEND_GONE);
		return GUARD_REFUSE;
	}
	if (!(peer->flags & SOCKET_PEER_RANGES))
		return GUARD_PROCEED;
	/* An established connection was admitted. */
	if (socket->protocol == IPPROTO_TCP && socket->state != BPF_TCP_SYN_SENT)
		return GUARD_PROCEED;
	if (sent_read(skb, &sent) &&
	    ((!sent.routed && !address_equal(&sent.destination, &peer->backend)) ||
	     admitted(peer, socket->protocol, &sent.source)))
		return GUARD_PROCEED;
	count(COUNT_DROP_SOURCE_RANGE);
	return GUARD_REFUSE;
}

/* `port` is bound on `address`; a socket of IPv6 that is bound to any address hears IPv4 too. */
static __always_inline int guard_bind(struct bpf_sock *socket, const struct address *address)
{
	const struct node_config *config = node();
	__u16 port = socket->src_port;
	__u8 protocol = socket->protocol;
	bool v4 = address_is_v4(address);

	if (!config || !(config->flags & NODE_BIND_PROTECTION) || port < config->node_port_first ||
	    port > config->node_port_last || bpf_get_netns_cookie(socket) != config->namespace)
		return GUARD_PROCEED;
	if (!address_is_any(address) && !address_has_node_ports(address, ADDRESS_OWN))
		return GUARD_PROCEED;
	if (!node_port_lookup(v4, bpf_htons(port), protocol) &&
	    (v4 || !address_is_any(address) || !node_port_lookup(true, bpf_htons(port), protocol)))
		return GUARD_PROCEED;
	count(COUNT_BIND_REFUSED);
	return GUARD_REFUSE;
}

SEC("cgroup/post_bind4")
int post_bind4(struct bpf_sock *socket)
{
	struct address address = address_from_v4(socket->src_ip4);

	return guard_bind(socket, &address);
}

SEC("cgroup/post_bind6")
int post_bind6(struct bpf_sock *socket)
{
	struct address address = {.word = {socket->src_ip6[0], socket->src_ip6[1],
					   socket->src_ip6[2], socket->src_ip6[3]}};

	return guard_bind(socket, &address);
}

char licence[] SEC("license") = "Dual BSD/GPL";
