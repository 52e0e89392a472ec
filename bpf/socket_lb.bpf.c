// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Socket load balancing: sockets of this cgroup tree reach a Service's backend with no translated packet. */
#include <linux/errno.h>
#include <linux/in.h>
#include "lib/affinity.h"
#include "lib/counters.h"
#include "lib/frontend.h"
#include "lib/socket_flow.h"

enum socket_verdict {
	SOCKET_DENY = 0,
	SOCKET_PROCEED = 1,
};

enum translation {
	UNTOUCHED = 0,
	TRANSLATED,
	REFUSED,
};

/* How deep below the root a cgroup may be for its own sockets to be left alone. */
#define BYPASS_LEVELS 12

/* Whether the calling task is in a cgroup that wants its packets served instead of its sockets. */
static __always_inline bool bypassed(void)
{
	__u64 cgroup = 0;

	if (!bpf_map_lookup_elem(&socket_bypass, &cgroup))
		return false;
	for (int level = 1; level <= BYPASS_LEVELS; level++) {
		cgroup = bpf_get_current_ancestor_cgroup_id(level);
		if (!cgroup)
			return false;
		if (bpf_map_lookup_elem(&socket_bypass, &cgroup))
			return true;
	}
	return false;
}

/* How a peer is remembered. */
enum {
	/* In any case; else only in the place of another. */
	PEER_CREATED = 1 << 0,
	PEER_RANGES = 1 << 1,
};

/* Functions of their own: the verifier without CAP_PERFMON refuses a stack slot that serves a pointer and a number. */
static __noinline int remember_peer(struct bpf_sock *socket, const struct endpoint *frontend,
				    const struct endpoint *backend, __u32 id, __u32 how)
{
	return socket_peer_remember(socket, frontend, backend, id,
				    how & PEER_RANGES ? SOCKET_PEER_RANGES : 0, how & PEER_CREATED);
}

static __noinline int remember_flow(__u64 cookie, const struct endpoint *frontend,
				    const struct endpoint *backend, __u32 id)
{
	return socket_flow_remember(cookie, frontend, backend, id);
}

static __noinline int last_backend(__u64 cookie, const struct endpoint *frontend,
				   struct endpoint *backend, __u32 *id)
{
	return socket_flow_backend(cookie, frontend, backend, id);
}

static __noinline int reverse(struct bpf_sock *socket, __u64 cookie, struct endpoint *peer)
{
	return socket_reverse(socket, cookie, peer);
}

static __noinline int goes_elsewhere(const struct frontend *frontend, const struct endpoint *asked)
{
	return frontend_is_elsewhere(frontend, &asked->address);
}

static __noinline int is_host(__u64 namespace)
{
	const struct node_config *config = node();

	return config && config->namespace == namespace;
}

/* The one body of all forward hooks: turns a frontend into the backend to use. */
static __always_inline enum translation to_backend(struct bpf_sock_addr *ctx, struct endpoint *peer,
						   bool connecting)
{
	const struct node_config *config = node();
	const struct endpoint asked = *peer;
	const struct frontend *frontend;
	const struct backend *backend;
	__u64 namespace = bpf_get_netns_cookie(ctx);
	struct affinity_key client = {
		.client = {.word = {(__u32) namespace, namespace >> 32}},
		.kind = AFFINITY_NAMESPACE,
	};
	struct bpf_sock *socket = ctx->sk;
	bool of_host, known, ranges;
	__u32 id = 0;

	if (!socket || !config || !(config->flags & NODE_SOCKET_LB))
		return UNTOUCHED;
	if (asked.protocol != IPPROTO_TCP && asked.protocol != IPPROTO_UDP)
		return UNTOUCHED;
	frontend = frontend_lookup(config, &asked.address, asked.port, asked.protocol,
				   ADDRESS_CLUSTER);
	if (!frontend || bypassed())
		return UNTOUCHED;
	of_host = is_host(namespace);
	/* A pod's loopback is its own. */
	if (!of_host && address_is_loopback(&asked.address))
		return UNTOUCHED;
	if (goes_elsewhere(frontend, &asked))
		return UNTOUCHED;
	known = !connecting && last_backend(bpf_get_socket_cookie(ctx), &asked, peer, &id);
	if (!known) {
		client.client.word[0] = (__u32) namespace;
		client.client.word[1] = namespace >> 32;
		if (affinity_choose(frontend, frontend->selection, &client, bpf_get_prandom_u32(),
				    &id) != CHOICE_MADE)
			id = 0;
		/* Absent also when it went in this very moment. */
		backend = backend_by_id(id);
		if (!backend) {
			count(COUNT_SOCKET_REFUSED);
			return REFUSED;
		}
		peer->address = backend->address;
		peer->port = backend->port;
		count(COUNT_SOCKET_TRANSLATED);
		if (!connecting && !remember_flow(bpf_get_socket_cookie(ctx), &asked, peer, id))
			count(COUNT_STATE_FULL);
	}
	ranges = !of_host && (frontend->flags & FRONTEND_SOURCE_RANGES);
	if (remember_peer(socket, &asked, peer, id,
			  (connecting || ranges ? PEER_CREATED : 0) | (ranges ? PEER_RANGES : 0)))
		return TRANSLATED;
	count(COUNT_STATE_FULL);
	/* Without its peer nobody would look whether a range has the source of what it sends. */
	return ranges ? REFUSED : TRANSLATED;
}

static __always_inline bool to_frontend(struct bpf_sock_addr *ctx, struct endpoint *peer)
{
	struct bpf_sock *socket = ctx->sk;

	if (!socket || !reverse(socket, bpf_get_socket_cookie(ctx), peer))
		return false;
	count(COUNT_SOCKET_REVERSED);
	return true;
}

static __always_inline struct endpoint read_v4(struct bpf_sock_addr *ctx)
{
	struct endpoint peer = {
		.address = address_from_v4(ctx->user_ip4),
		.port = (__be16)ctx->user_port,
		.protocol = (__u8)ctx->protocol,
	};

	return peer;
}

static __always_inline void write_v4(struct bpf_sock_addr *ctx, const struct endpoint *peer)
{
	ctx->user_ip4 = peer->address.word[3];
	ctx->user_port = peer->port;
}

static __always_inline struct endpoint read_v6(struct bpf_sock_addr *ctx)
{
	struct endpoint peer = {
		.address = {.word = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
				     ctx->user_ip6[3]}},
		.port = (__be16)ctx->user_port,
		.protocol = (__u8)ctx->protocol,
	};

	return peer;
}

static __always_inline void write_v6(struct bpf_sock_addr *ctx, const struct endpoint *peer)
{
	ctx->user_ip6[0] = peer->address.word[0];
	ctx->user_ip6[1] = peer->address.word[1];
	ctx->user_ip6[2] = peer->address.word[2];
	ctx->user_ip6[3] = peer->address.word[3];
	ctx->user_port = peer->port;
}

static __always_inline int forward_v4(struct bpf_sock_addr *ctx, bool connecting)
{
	struct endpoint peer = read_v4(ctx);

	switch (to_backend(ctx, &peer, connecting)) {
	case UNTOUCHED:
		return SOCKET_PROCEED;
	case TRANSLATED:
		write_v4(ctx, &peer);
		return SOCKET_PROCEED;
	case REFUSED:
		break;
	}
	bpf_set_retval(-ECONNREFUSED);
	return SOCKET_DENY;
}

static __always_inline int forward_v6(struct bpf_sock_addr *ctx, bool connecting)
{
	struct endpoint peer = read_v6(ctx);

	switch (to_backend(ctx, &peer, connecting)) {
	case UNTOUCHED:
		return SOCKET_PROCEED;
	case TRANSLATED:
		write_v6(ctx, &peer);
		return SOCKET_PROCEED;
	case REFUSED:
		break;
	}
	bpf_set_retval(-ECONNREFUSED);
	return SOCKET_DENY;
}

static __always_inline int reverse_v4(struct bpf_sock_addr *ctx)
{
	struct endpoint peer = read_v4(ctx);

	if (to_frontend(ctx, &peer))
		write_v4(ctx, &peer);
	return SOCKET_PROCEED;
}

static __always_inline int reverse_v6(struct bpf_sock_addr *ctx)
{
	struct endpoint peer = read_v6(ctx);

	if (to_frontend(ctx, &peer))
		write_v6(ctx, &peer);
	return SOCKET_PROCEED;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return forward_v4(ctx, true);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	return forward_v6(ctx, true);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return forward_v4(ctx, false);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	return forward_v6(ctx, false);
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx)
{
	return reverse_v4(ctx);
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx)
{
	return reverse_v6(ctx);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	return reverse_v4(ctx);
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	return reverse_v6(ctx);
}

char licence[] SEC("license") = "Dual BSD/GPL";
