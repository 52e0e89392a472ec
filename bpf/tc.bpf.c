// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The node's outward devices: Services from outside, and the masquerade of pods that leave the cluster. The devices of
 * pods whose sockets are not translated: Services for these pods; of the others: SCTP, which no hook of sockets tells of. The
 * loopback device: SCTP of the node itself.
 */
#include "lib/dsr.h"
#include "lib/forward.h"
#include "lib/fragment.h"
#include "lib/icmp.h"
#include "lib/refuse.h"
#include "lib/service.h"

/* Of a VLAN's tag; the rest is the frame's priority. */
#define VLAN_NUMBER 0x0fff

/*
 * A node sent back what it was handed, as one does that knows no direct server return, or not yet: the flow goes on with our
 * own source. An error about it has no way then.
 */
__noinline int take_back(struct __sk_buff *skb, const struct packet *packet, struct flow *flow,
			 struct icmp_error *error)
{
	struct flow_key key;

	if (!packet || !flow || !error)
		return VERDICT_DROP;
	if (is_icmp(packet->protocol))
		return drop(COUNT_DROP_NO_ROUTE);
	key = flow_key(packet, FLOW_AT_INGRESS);
	if (remember_service_flow(skb, &key, SIDE_OUTSIDE, flow) != FOUND)
		return VERDICT_DROP;
	return forward(skb, packet, flow, error);
}

/* Rewrites a packet as its flow says, and sends it on its way. */
static __always_inline int carry_out(struct __sk_buff *skb, const struct packet *packet,
				     struct flow *flow)
{
	bool of_host = flow_is_of_host(flow, packet->leaves ? FLOW_AT_EGRESS : FLOW_AT_INGRESS);
	struct icmp_error error = {};
	int verdict;

	if (flow->action == FLOW_UNTOUCHED)
		return VERDICT_NEXT;
	if (flow->action != FLOW_TO_STACK) {
		verdict = forward(skb, packet, flow, &error);
		if (verdict == FORWARD_CAME_BACK)
			verdict = take_back(skb, packet, flow, &error);
		return error.type ? answer_sender(skb, packet, &error) : verdict;
	}
	if (rewrite(skb, packet, &flow->rewritten, 0))
		return drop(COUNT_DROP_REWRITE_FAILED);
	count(COUNT_REWRITTEN);
	if (!of_host)
		return VERDICT_NEXT;
	return is_own(&flow->rewritten.destination) ? to_host(skb) : reroute(skb);
}

/* The way of an ICMP error about a packet of ours, whose inside is rewritten. */
__noinline int find_error(struct __sk_buff *skb, const struct packet *packet, __u8 hook,
			  struct flow *way)
{
	if (!packet || !way)
		return FOUND_NOTHING;
	switch (icmp_translate(skb, packet, hook, way)) {
	case ICMP_TRANSLATED:
		count(COUNT_ICMP_ERROR);
		return FOUND;
	case ICMP_FAILED:
		return drop_finding(COUNT_DROP_REWRITE_FAILED);
	}
	return FOUND_NOTHING;
}

/*
 * A datagram from outside straight to a pod: its answer must not be masqueraded, however long after the first one it comes. TCP
 * tells by its SYN.
 */
static __noinline int note_direct_datagram(const struct packet *packet)
{
	const struct node_config *config = node();
	struct flow_key answer = {
		.tuple = tuple_reverse(&packet->tuple),
		.protocol = IPPROTO_UDP,
		.hook = FLOW_AT_EGRESS,
	};
	struct flow flow = {.action = FLOW_UNTOUCHED};
	struct flow *known;
	long error;

	if (!config || !node_masquerades(config, !packet->v6))
		return 0;
	if (!(network_flags(&packet->tuple.destination) & NETWORK_LOCAL_PODS))
		return 0;
	known = bpf_map_lookup_elem(&flows, &answer);
	if (known)
		return known->action == FLOW_UNTOUCHED ? flow_refresh(&answer, known, packet) : 0;
	if (network_flags(&packet->tuple.source) & NETWORK_NO_MASQUERADE)
		return 0;
	flow_seen_now(&flow);
	error = flow_enter(&answer, &flow, BPF_NOEXIST);
	if (error && error != -KERNEL_EEXIST)
		count(COUNT_STATE_FULL);
	return 0;
}

/*
 * Whether a packet that leaves needs a source of ours: it is a pod's and leaves the cluster, or it is the host's own and
 * a translated flow already has the answers to this very tuple. `kept` becomes the port to try first.
 */
static __noinline int needs_source(const struct node_config *config, const struct packet *packet,
				   __be16 *kept)
{
	struct flow_key answer = {
		.tuple = tuple_reverse(&packet->tuple),
		.protocol = packet->protocol,
		.hook = FLOW_AT_INGRESS,
	};
	struct address source;
	struct flow *owner;

	*kept = 0;
	if (!node_source(config, !packet->v6, &source))
		return false;
	if (address_equal(&packet->tuple.source, &source)) {
		owner = bpf_map_lookup_elem(&flows, &answer);
		if (owner && flow_expired(owner, packet->protocol, clock_seconds())) {
			flow_forget(&answer, owner);
			return false;
		}
		return owner != NULL;
	}
	*kept = packet->tuple.source_port;
	return node_masquerades(config, !packet->v6) &&
	       (network_flags(&packet->tuple.source) & NETWORK_LOCAL_PODS) &&
	       !(network_flags(&packet->tuple.destination) & NETWORK_NO_MASQUERADE);
}

/* Fills in the flow of a packet that leaves from an address of ours. */
__noinline int begin_masquerade(struct __sk_buff *skb, const struct packet *packet,
				const struct flow_key *key, struct flow *flow)
{
	const struct node_config *config = node();
	struct address source;
	__be16 kept;

	if (!packet || !key || !flow || !config)
		return FOUND_NOTHING;
	if (!packet->begins || !needs_source(config, packet, &kept))
		return FOUND_NOTHING;
	if (!node_source(config, !packet->v6, &source))
		return FOUND_NOTHING;
	flow->rewritten = packet->tuple;
	flow->rewritten.source = source;
	flow_seen_now(flow);
	flow->action = FLOW_TO_STACK;
	flow->flags = FLOW_ORIGINAL;
	switch (nat_remember(skb, key, flow, kept, true)) {
	case REMEMBERED:
		count(COUNT_NEW_MASQUERADE_FLOW);
		break;
	case REMEMBER_CONFLICT:
		return drop_finding(COUNT_DROP_NO_FREE_PORT);
	case REMEMBER_FULL:
		return drop_finding(COUNT_DROP_STATE_FULL);
	}
	return FOUND;
}

/*
 * SCTP of the node itself to a Service: other sockets of the node have been translated, and what came in by a device was served
 * there.
 */
static __always_inline int choose_for_host(struct __sk_buff *skb, const struct packet *packet,
					   const struct flow_key *key, struct flow *way)
{
	int found;

	if (packet->protocol != IPPROTO_SCTP || skb->ingress_ifindex ||
	    !is_own(&packet->tuple.source))
		return FOUND_NOTHING;
	found = choose_service(packet, SIDE_STACK, way);
	return found == FOUND ? remember_service_flow(skb, key, SIDE_STACK, way) : found;
}

static __always_inline int find_at_egress(struct __sk_buff *skb, const struct packet *packet,
					  struct flow *way)
{
	struct flow_key key = flow_key(packet, FLOW_AT_EGRESS);
	int found = find_flow(&key, packet, way);

	if (found == FOUND_NOTHING)
		found = choose_for_host(skb, packet, &key, way);
	return found == FOUND_NOTHING ? begin_masquerade(skb, packet, &key, way) : found;
}

static __always_inline int find_at_ingress(struct __sk_buff *skb, const struct packet *packet,
					   enum side side, struct flow *way)
{
	struct flow_key key = flow_key(packet, FLOW_AT_INGRESS);
	int found = find_flow(&key, packet, way);

	if (found != FOUND_NOTHING || is_icmp(packet->protocol) || side == SIDE_LOOPBACK)
		return found;
	found = choose_service(packet, side, way);
	if (found != FOUND)
		return found;
	if (way->action == FLOW_HAND_OVER && hand_over(skb, packet, &key, way))
		return FOUND;
	return remember_service_flow(skb, &key, side, way);
}

static __always_inline int find(struct __sk_buff *skb, const struct packet *packet, enum side side,
				struct flow *way)
{
	if (side == SIDE_STACK)
		return find_at_egress(skb, packet, way);
	return find_at_ingress(skb, packet, side, way);
}

/* Frames are mostly plain, and have their headers in one piece. */
static __always_inline int parse(struct __sk_buff *skb, struct packet *packet)
{
	if (frame_parse((void *)(long)skb->data, (void *)(long)skb->data_end, packet))
		return PARSED;
	__builtin_memset(packet, 0, sizeof(*packet));
	return packet_parse(skb, packet);
}

/* Of a VLAN, whose own device is above this one and serves it; number 0 is none. */
static __always_inline bool is_of_vlan(struct __sk_buff *skb)
{
	return skb->vlan_tci & VLAN_NUMBER;
}

/* One packet of a device, from parsing to its verdict. */
static __always_inline int serve(struct __sk_buff *skb, enum side side)
{
	struct packet packet = {};
	struct flow way = {};
	int found = FOUND_NOTHING;
	int parsed;

	if (is_of_vlan(skb))
		return VERDICT_NEXT;
	parsed = parse(skb, &packet);
	packet.leaves = side == SIDE_STACK;
	switch (parsed) {
	case PARSED:
		found = find(skb, &packet, side, &way);
		if (packet.fragment && found != FOUND_NOTHING)
			fragment_remember(&packet);
		break;
	case PARSED_LATER_FRAGMENT:
		if (!fragment_recall(&packet))
			return pass(COUNT_FRAGMENT_PASSED);
		found = find(skb, &packet, side, &way);
		break;
	case PARSED_ERROR:
		found = find_error(skb, &packet,
				   side == SIDE_STACK ? FLOW_AT_EGRESS : FLOW_AT_INGRESS, &way);
		break;
	case PARSED_FOREIGN:
		return VERDICT_NEXT;
	}
	switch (found) {
	case FOUND:
		return carry_out(skb, &packet, &way);
	case FOUND_NOBODY:
		return refuse(skb, &packet);
	case FOUND_DROP:
		return VERDICT_DROP;
	}
	if (side == SIDE_OUTSIDE && packet.protocol == IPPROTO_UDP)
		note_direct_datagram(&packet);
	return VERDICT_NEXT;
}

SEC("tc")
int node_ingress(struct __sk_buff *skb)
{
	return skb->pkt_type == PACKET_FOR_US ? serve(skb, SIDE_OUTSIDE) : VERDICT_NEXT;
}

SEC("tc")
int pod_ingress(struct __sk_buff *skb)
{
	return skb->pkt_type == PACKET_FOR_US ? serve(skb, SIDE_POD) : VERDICT_NEXT;
}

SEC("tc")
int node_egress(struct __sk_buff *skb)
{
	if (skb->mark != FORWARDED_MARK)
		return serve(skb, SIDE_STACK);
	skb->mark = 0;
	return VERDICT_NEXT;
}

/* TCP and UDP of a pod whose sockets are translated: there is nothing to do with them at its device. */
static __always_inline bool is_of_sockets(struct __sk_buff *skb)
{
	__u32 offset = ETH_HLEN + offsetof(struct iphdr, protocol);
	__u8 protocol;

	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		offset = ETH_HLEN + offsetof(struct ipv6hdr, nexthdr);
	return !bpf_skb_load_bytes(skb, offset, &protocol, sizeof(protocol)) &&
	       (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP);
}

SEC("tc")
int sctp_from_pod(struct __sk_buff *skb)
{
	if (is_of_sockets(skb) || skb->pkt_type != PACKET_FOR_US)
		return VERDICT_NEXT;
	return serve(skb, SIDE_POD);
}

/* To such a pod, and at the loopback device, where the node sends to itself. */
SEC("tc")
int sctp_egress(struct __sk_buff *skb)
{
	if (is_of_sockets(skb))
		return VERDICT_NEXT;
	if (skb->mark != FORWARDED_MARK)
		return serve(skb, SIDE_STACK);
	skb->mark = 0;
	return VERDICT_NEXT;
}

/* What was rerouted is for the node itself, or leaves by the routing table: as it is. */
static __always_inline int find_route(struct __sk_buff *skb)
{
	struct flow way = {.action = FLOW_FORWARD};
	struct packet packet = {};

	if (parse(skb, &packet) == PARSED_FOREIGN)
		return drop(COUNT_DROP_NO_ROUTE);
	if (is_own(&packet.tuple.destination))
		return to_host(skb);
	packet.leaves = true;
	way.rewritten = packet.tuple;
	return carry_out(skb, &packet, &way);
}

/* Comes in at the loopback device. */
SEC("tc")
int sctp_to_host(struct __sk_buff *skb)
{
	if (skb->mark == HOST_MARK)
		return find_route(skb);
	return is_of_sockets(skb) ? VERDICT_NEXT : serve(skb, SIDE_LOOPBACK);
}

char licence[] SEC("license") = "Dual BSD/GPL";
