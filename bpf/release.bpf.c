// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Lets go of connected UDP sockets whose backend has gone: no hook can choose another for their datagrams, and those that
 * only listen would wait for ever. The application gets an error, and connects to a backend that exists. Walks the sockets
 * of the network namespace that reads it, and writes one byte for each socket that it let go.
 */
#include <linux/in.h>
#include "lib/counters.h"
#include "lib/socket_flow.h"

#define FAMILY_V4 2
#define FAMILY_V6 10
/* enum TCP_ESTABLISHED, which is also how a connected UDP socket says so. */
#define SOCKET_CONNECTED 1

enum iteration {
	ITERATION_NEXT = 0,
};

#define KERNEL_TYPE __attribute__((preserve_access_index))

struct seq_file;
struct udp_sock;

struct in6_addr_words {
	__be32 word[4];
};

/* The members that we read of the kernel's own structs; the loader finds where they lie. */
struct sock_common {
	__be32 skc_daddr;
	__be16 skc_dport;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr_words skc_v6_daddr;
} KERNEL_TYPE;

struct bpf_iter_meta {
	struct seq_file *seq;
} KERNEL_TYPE;

/* Part of the kernel's promise to iterators, so it lies where it is declared. */
struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
};

extern int bpf_sock_destroy(struct sock_common *socket) __ksym;

static __always_inline struct endpoint peer_of(const struct sock_common *socket)
{
	struct endpoint peer = {
		.port = socket->skc_dport,
		.protocol = IPPROTO_UDP,
	};

	if (socket->skc_family == FAMILY_V4) {
		peer.address = address_from_v4(socket->skc_daddr);
		return peer;
	}
	for (int i = 0; i < 4; i++)
		peer.address.word[i] = socket->skc_v6_daddr.word[i];
	return peer;
}

SEC("iter/udp")
int release_udp(struct bpf_iter__udp *ctx)
{
	struct sock_common *socket = (struct sock_common *)ctx->udp_sk;
	const struct socket_peer *known;
	struct endpoint peer;
	char one = '1';

	if (!socket || socket->skc_state != SOCKET_CONNECTED)
		return ITERATION_NEXT;
	if (socket->skc_family != FAMILY_V4 && socket->skc_family != FAMILY_V6)
		return ITERATION_NEXT;
	peer = peer_of(socket);
	known = bpf_sk_storage_get(&socket_peers, socket, NULL, 0);
	if (!known || !socket_peer_is(known, &peer) ||
	    backend_is(known->backend_id, &peer.address, peer.port, peer.protocol))
		return ITERATION_NEXT;
	if (bpf_sock_destroy(socket))
		return ITERATION_NEXT;
	count(COUNT_SOCKET_RELEASED);
	bpf_seq_write(ctx->meta->seq, &one, sizeof(one));
	return ITERATION_NEXT;
}

char licence[] SEC("license") = "Dual BSD/GPL";
