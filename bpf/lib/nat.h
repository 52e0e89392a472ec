/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Source ports of the masquerade address. A port is free for one remote endpoint when no flow has its answers and no
 * socket of the host would receive them. (A host socket that comes later is moved aside at egress, see tc.bpf.c.)
 */
#ifndef SANSPROXY_LIB_NAT_H
#define SANSPROXY_LIB_NAT_H

#include "context.h"
#include "flow.h"

#define NAT_PORT_FIRST 32768
#define NAT_PORT_COUNT 32768
/* The sender's own port is kept where it is free, unless it is privileged and would become ours. */
#define NAT_PORT_KEPT_FROM 1024
#define NAT_TRIES 16

static __always_inline bool nat_port_has_socket(PACKET_CONTEXT *ctx, const struct flow *flow,
						__u8 protocol)
{
	const struct tuple *tuple = &flow->rewritten;
	struct bpf_sock_tuple answer = {};
	struct bpf_sock *socket = NULL;
	__u32 size = sizeof(answer.ipv4);

	if (address_is_v4(&tuple->source)) {
		answer.ipv4.saddr = tuple->destination.word[3];
		answer.ipv4.daddr = tuple->source.word[3];
		answer.ipv4.sport = tuple->destination_port;
		answer.ipv4.dport = tuple->source_port;
	} else {
		__builtin_memcpy(answer.ipv6.saddr, &tuple->destination, sizeof(struct address));
		__builtin_memcpy(answer.ipv6.daddr, &tuple->source, sizeof(struct address));
		answer.ipv6.sport = tuple->destination_port;
		answer.ipv6.dport = tuple->source_port;
		size = sizeof(answer.ipv6);
	}
	if (protocol == IPPROTO_TCP)
		socket = bpf_skc_lookup_tcp(ctx, &answer, size, BPF_F_CURRENT_NETNS, 0);
	else if (protocol == IPPROTO_UDP)
		socket = bpf_sk_lookup_udp(ctx, &answer, size, BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return false;
	bpf_sk_release(socket);
	return true;
}

/* Enters a flow with the source port that it has, unless somebody else would get the answers. */
__noinline int nat_enter(PACKET_CONTEXT *ctx, const struct flow_key *key, struct flow *flow,
			 bool ours, bool alone)
{
	if (!key || !flow)
		return REMEMBER_CONFLICT;
	if (ours && nat_port_has_socket(ctx, flow, key->protocol))
		return REMEMBER_CONFLICT;
	return flow_remember(key, flow, alone);
}

/*
 * Chooses flow->rewritten.source_port and enters the flow. `kept` is the port to try first, 0 for none. `ours` says that
 * the source is an address of this node, so that its sockets and privileged ports count. A flow that keeps its port would
 * get it again, so that the entry of its answers is enough to begin with. REMEMBER_CONFLICT means that no free port was
 * found in NAT_TRIES. Unrolled: without CAP_PERFMON the verifier follows what a processor may do past a loop's end.
 */
static __noinline int nat_remember(PACKET_CONTEXT *ctx, const struct flow_key *key,
				   struct flow *flow, __be16 kept, bool ours)
{
	bool keeps = kept && (!ours || bpf_ntohs(kept) >= NAT_PORT_KEPT_FROM);
	bool alone = keeps && (!PACKET_PASSED_ON || flow->action == FLOW_FORWARD);
	__be16 port = kept;
	int result;

#pragma unroll
	for (int try = 0; try < NAT_TRIES; try++) {
		if (try || !keeps)
			port = bpf_htons(NAT_PORT_FIRST + bpf_get_prandom_u32() % NAT_PORT_COUNT);
		flow->rewritten.source_port = port;
		result = nat_enter(ctx, key, flow, ours, alone && !try);
		if (result != REMEMBER_CONFLICT)
			return result;
	}
	return REMEMBER_CONFLICT;
}

#endif
