// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The node's outward devices: Services from outside, and the masquerade of pods that leave the cluster. */
#include "lib/affinity.h"
#include "lib/forward.h"
#include "lib/frontend.h"
#include "lib/nat.h"
#include "lib/refuse.h"

#define PACKET_FOR_US 0

/* Rewrites a packet as its flow says, and sends it on its way. */
static __always_inline int carry_out(struct __sk_buff *skb, const struct packet *packet,
				     const struct flow *flow)
{
	struct tuple to = flow->rewritten;
	__u8 action = flow->action;

	if (action == FLOW_UNTOUCHED)
		return VERDICT_NEXT;
	if (action == FLOW_FORWARD)
		return forward(skb, packet, &to);
	if (rewrite(skb, packet, &to))
		return drop(COUNT_DROP_REWRITE_FAILED);
	return pass(COUNT_REWRITTEN);
}

static __always_inline bool is_local(const struct address *address)
{
	return (network_flags(address) & NETWORK_LOCAL_PODS) ||
	       (node_address_flags(address) & ADDRESS_OWN);
}

/*
 * Fills in the way to a backend. Here: the client keeps its address, and its port unless it uses that for another
 * frontend of the same backend; the answer passes our egress. Elsewhere: the source becomes ours, so that the answer
 * comes back to this node.
 */
static __noinline int remember_service_flow(struct __sk_buff *skb, const struct node_config *config,
					    const struct flow_key *key, struct flow *flow)
{
	bool local = is_local(&flow->rewritten.destination);

	flow->action = local ? FLOW_TO_STACK : FLOW_FORWARD;
	flow->rewritten.source = local ? key->tuple.source : config->masquerade_v4;
	return nat_remember(skb, key, flow, key->tuple.source_port, !local);
}

static __always_inline int begin_service_flow(struct __sk_buff *skb,
					      const struct node_config *config,
					      const struct packet *packet,
					      const struct flow_key *key,
					      const struct frontend *frontend)
{
	struct flow flow = {
		.service = frontend->service,
		.seen = clock_seconds(),
		.flags = FLOW_ORIGINAL | FLOW_SERVICE,
	};
	struct affinity_key client = {.client = packet->tuple.source};
	const struct backend *backend;

	if (!frontend_admits(frontend, &packet->tuple.source))
		return drop(COUNT_DROP_SOURCE_RANGE);
	switch (affinity_choose(frontend, frontend->external_selection, &client, &flow.backend,
				&backend)) {
	case CHOICE_MADE:
		break;
	case CHOICE_NO_ENDPOINT:
		if (frontend->flags & FRONTEND_DROP)
			return drop(COUNT_DROP_NO_ENDPOINT);
		return refuse(skb, packet);
	case CHOICE_ABSENT:
		return drop(COUNT_DROP_ABSENT_BACKEND);
	}
	flow.rewritten.destination = backend->address;
	flow.rewritten.destination_port = backend->port;
	switch (remember_service_flow(skb, config, key, &flow)) {
	case REMEMBER_CONFLICT:
		return drop(COUNT_DROP_NO_FREE_PORT);
	case REMEMBER_FULL:
		return drop(COUNT_DROP_STATE_FULL);
	}
	count(COUNT_NEW_SERVICE_FLOW);
	return carry_out(skb, packet, &flow);
}

/* A datagram from outside straight to a pod: its answer must not be masqueraded. TCP tells by its SYN. */
static __always_inline void note_direct_datagram(const struct node_config *config,
						 const struct packet *packet)
{
	struct flow_key answer = {
		.tuple = tuple_reverse(&packet->tuple),
		.protocol = packet->protocol,
		.hook = FLOW_AT_EGRESS,
	};
	struct flow flow = {.action = FLOW_UNTOUCHED, .seen = clock_seconds()};
	long error;

	if (packet->protocol != IPPROTO_UDP || !(config->flags & NODE_MASQUERADE))
		return;
	if (!(network_flags(&packet->tuple.destination) & NETWORK_LOCAL_PODS))
		return;
	if (network_flags(&packet->tuple.source) & NETWORK_NO_MASQUERADE)
		return;
	error = bpf_map_update_elem(&flows, &answer, &flow, BPF_NOEXIST);
	if (error && error != -KERNEL_EEXIST)
		count(COUNT_STATE_FULL);
}

SEC("tc")
int node_ingress(struct __sk_buff *skb)
{
	const struct node_config *config = node();
	const struct frontend *frontend;
	struct packet packet = {};
	struct flow_key key;
	struct flow *flow;

	if (!config || skb->pkt_type != PACKET_FOR_US)
		return VERDICT_NEXT;
	switch (packet_parse(skb, &packet)) {
	case PARSED:
		break;
	case PARSED_FRAGMENT:
		return pass(COUNT_FRAGMENT_PASSED);
	case PARSED_FOREIGN:
		return VERDICT_NEXT;
	}
	key = flow_key(&packet, FLOW_AT_INGRESS);
	flow = bpf_map_lookup_elem(&flows, &key);
	if (flow && flow_holds(flow, &packet)) {
		flow_refresh(&key, flow, &packet);
		return carry_out(skb, &packet, flow);
	}
	if (flow)
		flow_forget(&key, flow);
	if (packet.protocol == IPPROTO_ICMP)
		return VERDICT_NEXT;
	frontend = frontend_lookup(config, &packet.tuple.destination, packet.tuple.destination_port,
				   packet.protocol, ADDRESS_OWN);
	if (frontend && (frontend->flags & FRONTEND_EXTERNAL))
		return begin_service_flow(skb, config, &packet, &key, frontend);
	note_direct_datagram(config, &packet);
	return VERDICT_NEXT;
}

/*
 * Whether a packet that leaves needs a source of ours: it is a pod's and leaves the cluster, or it is the host's own and
 * a translated flow already has the answers to this very tuple. `kept` becomes the port to try first.
 */
static __always_inline bool needs_source(const struct node_config *config,
					 const struct packet *packet, __be16 *kept)
{
	struct flow_key answer = {
		.tuple = tuple_reverse(&packet->tuple),
		.protocol = packet->protocol,
		.hook = FLOW_AT_INGRESS,
	};

	struct flow *owner;

	*kept = 0;
	if (address_equal(&packet->tuple.source, &config->masquerade_v4)) {
		owner = bpf_map_lookup_elem(&flows, &answer);
		if (owner && flow_expired(owner, packet->protocol, clock_seconds())) {
			flow_forget(&answer, owner);
			return false;
		}
		return owner != NULL;
	}
	*kept = packet->tuple.source_port;
	return (config->flags & NODE_MASQUERADE) &&
	       (network_flags(&packet->tuple.source) & NETWORK_LOCAL_PODS) &&
	       !(network_flags(&packet->tuple.destination) & NETWORK_NO_MASQUERADE);
}

static __always_inline int begin_masquerade(struct __sk_buff *skb, const struct node_config *config,
					    const struct packet *packet, const struct flow_key *key,
					    __be16 kept)
{
	struct flow flow = {
		.rewritten = packet->tuple,
		.seen = clock_seconds(),
		.action = FLOW_TO_STACK,
		.flags = FLOW_ORIGINAL,
	};

	flow.rewritten.source = config->masquerade_v4;
	switch (nat_remember(skb, key, &flow, kept, true)) {
	case REMEMBER_CONFLICT:
		return drop(COUNT_DROP_NO_FREE_PORT);
	case REMEMBER_FULL:
		return drop(COUNT_DROP_STATE_FULL);
	}
	count(COUNT_NEW_MASQUERADE_FLOW);
	return carry_out(skb, packet, &flow);
}

SEC("tc")
int node_egress(struct __sk_buff *skb)
{
	const struct node_config *config = node();
	struct packet packet = {};
	struct flow_key key;
	struct flow *flow;
	__be16 kept;

	if (skb->mark == FORWARDED_MARK) {
		skb->mark = 0;
		return VERDICT_NEXT;
	}
	if (!config)
		return VERDICT_NEXT;
	switch (packet_parse(skb, &packet)) {
	case PARSED:
		break;
	case PARSED_FRAGMENT:
		return pass(COUNT_FRAGMENT_PASSED);
	case PARSED_FOREIGN:
		return VERDICT_NEXT;
	}
	key = flow_key(&packet, FLOW_AT_EGRESS);
	flow = bpf_map_lookup_elem(&flows, &key);
	if (flow && flow_holds(flow, &packet)) {
		flow_refresh(&key, flow, &packet);
		return carry_out(skb, &packet, flow);
	}
	if (flow)
		flow_forget(&key, flow);
	if (packet.begins && needs_source(config, &packet, &kept))
		return begin_masquerade(skb, config, &packet, &key, kept);
	return VERDICT_NEXT;
}

char licence[] SEC("license") = "Dual BSD/GPL";
