// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The node's outward devices, before there is a socket buffer: forwards what tc would forward, by the same flows, look-up
 * and choice. Whatever else a frame needs (a backend here, DSR, an error, a refusal, a neighbour to be found) it is passed
 * on for, as it came, and tc finds the flow that it was given here.
 */
#define PACKET_CONTEXT struct xdp_md
#define PACKET_PASSED_ON true
#include "lib/frame.h"
#include "lib/recent.h"
#include "lib/route.h"
#include "lib/service.h"

static __always_inline bool takes_frames(__u32 index)
{
	const struct device *out = bpf_map_lookup_elem(&devices, &index);

	return out && out->flags & DEVICE_TAKES;
}

/* Of a device in promiscuous mode or behind a flooding switch, not all frames are the node's. */
static __always_inline bool is_for(const struct device *device, struct xdp_md *context)
{
	void *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = (void *)(long)context->data;

	if ((void *)(ethernet + 1) > end)
		return false;
	for (int i = 0; i < ETH_ALEN; i++)
		if (ethernet->h_dest[i] != device->mac[i])
			return false;
	return true;
}

static __always_inline int find_at_device(struct xdp_md *context, const struct packet *packet,
					  struct flow *way)
{
	struct flow_key key = flow_key(packet, FLOW_AT_INGRESS);
	int found = find_flow(&key, packet, way);

	/* TCP in mid-stream without state is rare where it is ours, and everything else where it is not. */
	if (found != FOUND_NOTHING || !packet->begins)
		return found;
	found = choose_service(packet, SIDE_OUTSIDE, way);
	if (found == FOUND && way->action == FLOW_HAND_OVER)
		return FOUND_NOTHING;
	return found == FOUND ? remember_service_flow(context, &key, SIDE_OUTSIDE, way) : found;
}

/* A UDP checksum of zero means "none", and stays; one that becomes zero is written as its other form. */
static __always_inline void rewrite_checksum(__sum16 *checksum, bool udp, __u64 change)
{
	if (udp && !*checksum)
		return;
	*checksum = sum_apply(*checksum, change);
	if (udp && !*checksum)
		*checksum = 0xffff;
}

/* A frame that was parsed gets addresses and ports of `to`, one hop less, and the next hop's Ethernet header. */
static __always_inline bool rewrite_frame(struct xdp_md *context, const struct packet *packet,
					  const struct tuple *to, const struct recent_route *route)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	bool udp = packet->protocol == IPPROTO_UDP;
	struct ethhdr *ethernet = data;
	__sum16 *checksum = (void *)frame_ports(data, packet->v6) +
			    (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));

	if ((void *)(checksum + 1) > end || !frame_rewrite(data, end, packet, to, 1))
		return false;
	rewrite_checksum(checksum, udp,
			 sum_change_addresses(&packet->tuple, to) +
				 sum_change_ports(&packet->tuple, to));
	__builtin_memcpy(ethernet->h_dest, route->neighbour, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, route->own, ETH_ALEN);
	return true;
}

/* Asks the routing table, and keeps the answer where the way is known down to the neighbour and both devices can go it. */
static __noinline bool find_route(struct xdp_md *context, const struct packet *packet,
				  const struct tuple *to, const struct device *from,
				  struct recent_route *recent)
{
	struct bpf_fib_lookup route = {.ifindex = context->ingress_ifindex};
	bool turns;

	route_ask(&route, packet, to, packet->length);
	if (bpf_fib_lookup(context, &route, sizeof(route), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return false;
	turns = route.ifindex == context->ingress_ifindex && from->flags & DEVICE_TURNS;
	if (!turns && !takes_frames(route.ifindex))
		return false;
	route_keep(recent, context->ingress_ifindex, to, &route, turns);
	return true;
}

/* Out by the routing table. */
static __always_inline int forward_frame(struct xdp_md *context, const struct packet *packet,
					 const struct tuple *to, const struct device *from)
{
	struct recent_route *route = route_place(to);

	if (packet->ttl <= 1 || !route)
		return XDP_PASS;
	if (!route_answers(route, context->ingress_ifindex, to, packet->length) &&
	    !find_route(context, packet, to, from, route))
		return XDP_PASS;
	if (!rewrite_frame(context, packet, to, route)) {
		count(COUNT_DROP_REWRITE_FAILED);
		return XDP_DROP;
	}
	count(COUNT_XDP_FORWARDED);
	return route->turns ? XDP_TX : bpf_redirect(route->to, 0);
}

SEC("xdp.frags")
int node_xdp(struct xdp_md *context)
{
	const struct device *from = device_by_index(context->ingress_ifindex);
	struct packet packet = {};
	struct flow way = {};

	if (!from || !is_for(from, context) ||
	    !frame_parse((void *)(long)context->data, (void *)(long)context->data_end, &packet))
		return XDP_PASS;
	switch (find_at_device(context, &packet, &way)) {
	case FOUND:
		if (way.action == FLOW_FORWARD)
			return forward_frame(context, &packet, &way.rewritten, from);
		return XDP_PASS;
	case FOUND_DROP:
		return XDP_DROP;
	}
	return XDP_PASS;
}

char licence[] SEC("license") = "Dual BSD/GPL";
