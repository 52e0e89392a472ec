/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a packet that comes in at a device is given: the flow that it belongs to, or a new one to a Service's backend. */
#ifndef SANSPROXY_LIB_SERVICE_H
#define SANSPROXY_LIB_SERVICE_H

#include "affinity.h"
#include "frontend.h"
#include "maglev.h"
#include "nat.h"

/* What has been found out about a packet: the cases in which its flow is not simply carried out. */
enum finding {
	FOUND = 0,
	FOUND_NOTHING,
	FOUND_NOBODY,
	FOUND_DROP,
};

static __always_inline int drop_finding(__u32 reason)
{
	count(reason);
	return FOUND_DROP;
}

static __always_inline bool is_local(const struct address *address)
{
	return (network_flags(address) & NETWORK_LOCAL_PODS) || is_own(address);
}

/* Whether a packet still belongs to the flow that its tuple has; else that is forgotten. */
static __noinline bool flow_goes_on(const struct flow_key *key, struct flow *flow,
				    const struct packet *packet)
{
	if (!flow_holds(flow, packet)) {
		flow_forget(key, flow);
		return false;
	}
	flow_refresh(key, flow, packet);
	return true;
}

/* The flow that a packet belongs to already; one that it does not belong to any more is forgotten. */
static __always_inline int find_flow(const struct flow_key *key, const struct packet *packet,
				     struct flow *way)
{
	struct flow *flow;

	if (!packet->begins && !packet->ends && flow_cache_find(key, way))
		return FOUND;
	flow = bpf_map_lookup_elem(&flows, key);
	if (!flow)
		return FOUND_NOTHING;
	if (!flow_is_steady(flow, packet)) {
		if (!flow_goes_on(key, flow, packet))
			return FOUND_NOTHING;
	} else if (flow->action != FLOW_HAND_OVER) {
		flow_cache_keep(key);
	}
	*way = *flow;
	return FOUND;
}

/* Where a packet comes from. */
enum side {
	SIDE_OUTSIDE = 0,
	/* A pod of this node: it may use whatever its sockets could. */
	SIDE_POD = 1,
	/* The node's stack: the packet leaves. Of what the node itself sends SCTP may use whatever its sockets could. */
	SIDE_STACK = 2,
	/* The loopback device, on the way in: answers alone. */
	SIDE_LOOPBACK = 3,
};

/* The frontend of a packet to another node's NodePort: that node may hand it to us. */
static __always_inline const struct frontend *frontend_handed_over(const struct node_config *config,
								   const struct packet *packet)
{
	const struct frontend *frontend = NULL;

	if (config->flags & NODE_DSR)
		frontend = frontend_lookup(config, &packet->tuple.destination,
					   packet->tuple.destination_port, packet->protocol,
					   ADDRESS_CLUSTER);
	return frontend && (frontend->flags & FRONTEND_DSR) ? frontend : NULL;
}

/*
 * Whether a client may use a frontend. A pod says its source itself: one with ranges takes it for what it is only from a pod's
 * network. Not of this node's alone, as not every Node says which those are.
 */
static __always_inline bool is_admitted(const struct frontend *frontend,
					const struct address *source, enum side side)
{
	if (side == SIDE_STACK || !(frontend->flags & FRONTEND_SOURCE_RANGES))
		return true;
	if (side == SIDE_POD &&
	    !(network_flags(source) & (NETWORK_LOCAL_PODS | NETWORK_CLUSTER_PODS)))
		return false;
	return frontend_admits(frontend, source);
}

/*
 * Chooses the backend for a packet to a frontend, if it is to one that serves its side. The action is FLOW_HAND_OVER where
 * the backend's node may answer by itself.
 */
__noinline int choose_service(const struct packet *packet, enum side side, struct flow *flow)
{
	struct affinity_key client = {};
	const struct node_config *config = node();
	const struct frontend *frontend;
	const struct backend *backend;
	__u32 index, id = 0;
	bool inside;

	if (!packet || !flow || !config)
		return FOUND_NOTHING;
	client.client = packet->tuple.source;
	frontend = frontend_lookup(config, &packet->tuple.destination,
				   packet->tuple.destination_port, packet->protocol,
				   side == SIDE_OUTSIDE ? ADDRESS_OWN : ADDRESS_CLUSTER);
	if (!frontend && side == SIDE_OUTSIDE)
		frontend = frontend_handed_over(config, packet);
	if (!frontend)
		return FOUND_NOTHING;
	if (side == SIDE_OUTSIDE && !(frontend->flags & FRONTEND_EXTERNAL))
		return FOUND_NOTHING;
	if (side != SIDE_OUTSIDE && frontend_is_elsewhere(frontend, &packet->tuple.destination))
		return FOUND_NOTHING;
	if (!is_admitted(frontend, &packet->tuple.source, side))
		return drop_finding(COUNT_DROP_SOURCE_RANGE);
	inside = side != SIDE_OUTSIDE ||
		 (frontend->selection != frontend->external_selection &&
		  is_pod_elsewhere(&packet->tuple.source, &packet->tuple.destination));
	index = inside ? frontend->selection : frontend->external_selection;
	switch (affinity_choose(frontend, index, &client, flow_seed(frontend, packet), &id)) {
	case CHOICE_MADE:
		break;
	case CHOICE_NO_ENDPOINT:
		if (!inside && (frontend->flags & FRONTEND_DROP))
			return drop_finding(COUNT_DROP_NO_ENDPOINT);
		return FOUND_NOBODY;
	case CHOICE_ABSENT:
		return drop_finding(COUNT_DROP_ABSENT_BACKEND);
	}
	backend = backend_by_id(id);
	/* A Service has backends of the frontend's family. */
	if (!backend || address_is_v4(&backend->address) == !!packet->v6)
		return drop_finding(COUNT_DROP_ABSENT_BACKEND);
	flow->backend = id;
	flow->service = frontend->service;
	flow_seen_now(flow);
	flow->flags = FLOW_ORIGINAL | FLOW_SERVICE;
	if (!inside && (frontend->flags & FRONTEND_DSR))
		flow->action = FLOW_HAND_OVER;
	flow->rewritten.destination = backend->address;
	flow->rewritten.destination_port = backend->port;
	return FOUND;
}

/*
 * Fills in the way to a backend. Here: the client keeps its address, and its port unless it uses that for another
 * frontend of the same backend; the answer passes our egress. Elsewhere: the source becomes ours, so that the answer
 * comes back to this node. A pod keeps its address, unless the backend is the pod itself, which would not hear itself. The
 * node itself meets the answer at ingress, wherever the backend is.
 */
__noinline int remember_service_flow(PACKET_CONTEXT *ctx, const struct flow_key *key,
				     enum side side, struct flow *flow)
{
	const struct node_config *config = node();
	struct address source;
	bool local;

	if (!key || !flow || !config)
		return FOUND_NOTHING;
	if (side == SIDE_POD)
		local = !address_equal(&flow->rewritten.destination, &key->tuple.source);
	else
		local = is_local(&flow->rewritten.destination);
	flow->action = local || side == SIDE_STACK ? FLOW_TO_STACK : FLOW_FORWARD;
	flow->rewritten.source = key->tuple.source;
	if (!local) {
		if (!node_source(config, address_is_v4(&key->tuple.source), &source))
			return drop_finding(COUNT_DROP_NO_ROUTE);
		flow->rewritten.source = source;
	}
	switch (nat_remember(ctx, key, flow, key->tuple.source_port, !local)) {
	case REMEMBERED:
		count(COUNT_NEW_SERVICE_FLOW);
		break;
	case REMEMBER_CONFLICT:
		return drop_finding(COUNT_DROP_NO_FREE_PORT);
	case REMEMBER_FULL:
		return drop_finding(COUNT_DROP_STATE_FULL);
	}
	return FOUND;
}

#endif
