/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flow state: two entries for each translated flow, one for each direction. Either entry is enough to compute the
 * other, so that one lost to the LRU comes back with the next packet of its partner. A flow begins with the entry of its
 * answers alone; its second packet, whichever way it goes, enters the other.
 */
#ifndef SANSPROXY_LIB_FLOW_H
#define SANSPROXY_LIB_FLOW_H

#include "backend.h"
#include "clock.h"
#include "flow_cache.h"
#include "packet.h"

/* Jiffies in a granule: 1 s where there are 1,000 in a second, 10 s where there are 100. */
#define FLOW_GRANULE_BITS 10
/* An idle flow this old gives way to a new one that needs the same tuple; nothing else ends a flow but the LRU. */
#define FLOW_IDLE_TCP_SECONDS 21600
#define FLOW_IDLE_CLOSING_SECONDS 60
#define FLOW_IDLE_OTHER_SECONDS 120

#define KERNEL_EEXIST 17

enum remembered {
	REMEMBERED = 0,
	/* It was known already by the entry of its answers. */
	REMEMBERED_AGAIN,
	/* A living flow owns the tuple that the answers would come with. */
	REMEMBER_CONFLICT,
	REMEMBER_FULL,
};

/* The time in steps so coarse that reading it is one load: jiffies have no helper to call. */
static __always_inline __u16 flow_granule(void)
{
	return bpf_jiffies64() >> FLOW_GRANULE_BITS;
}

static __always_inline void flow_seen_now(struct flow *flow)
{
	flow->seen = clock_seconds();
	flow->granule = flow_granule();
}

static __always_inline struct flow_key flow_key(const struct packet *packet, __u8 hook)
{
	struct flow_key key = {
		.tuple = packet->tuple,
		.protocol = packet->protocol,
		.hook = hook,
	};

	return key;
}

/* The entry of the other direction. Forwarded flows are seen at ingress both ways. */
static __always_inline void flow_partner(const struct flow_key *key, const struct flow *flow,
					 struct flow_key *partner_key, struct flow *partner)
{
	partner_key->tuple = tuple_reverse(&flow->rewritten);
	partner_key->protocol = key->protocol;
	partner_key->hook = flow->action == FLOW_FORWARD ? FLOW_AT_INGRESS : !key->hook;
	partner_key->reserved = 0;
	partner->rewritten = tuple_reverse(&key->tuple);
	partner->backend = flow->backend;
	partner->service = flow->service;
	partner->seen = flow->seen;
	partner->action = flow->action;
	partner->flags = flow->flags ^ FLOW_ORIGINAL;
	partner->granule = flow->granule;
}

/*
 * Whether packets of a flow are of one that the node itself has begun with a Service, at `hook`: no other Service's flow begins
 * at egress.
 */
static __always_inline bool flow_is_of_host(const struct flow *flow, __u8 hook)
{
	__u8 original = hook == FLOW_AT_EGRESS ? FLOW_ORIGINAL : 0;

	return flow->action == FLOW_TO_STACK && (flow->flags & FLOW_SERVICE) &&
	       (flow->flags & FLOW_ORIGINAL) == original;
}

static __always_inline bool flow_expired(const struct flow *flow, __u8 protocol, __u32 now)
{
	__u32 idle = now - flow->seen;

	if (!has_connections(protocol))
		return idle > FLOW_IDLE_OTHER_SECONDS;
	if (flow->flags & FLOW_CLOSING)
		return idle > FLOW_IDLE_CLOSING_SECONDS;
	return idle > FLOW_IDLE_TCP_SECONDS;
}

/* The only ways to change which entry a key has: copies of it are over. */
static __always_inline long flow_enter(const struct flow_key *key, const struct flow *flow,
				       __u64 how)
{
	long error = bpf_map_update_elem(&flows, key, flow, how);

	if (!error)
		flow_next_turn(key);
	return error;
}

static __always_inline void flow_remove(const struct flow_key *key)
{
	bpf_map_delete_elem(&flows, key);
	flow_next_turn(key);
}

static __noinline int flow_forget(const struct flow_key *key, const struct flow *flow)
{
	struct flow_key partner_key;
	struct flow partner;

	flow_partner(key, flow, &partner_key, &partner);
	flow_remove(&partner_key);
	flow_remove(key);
	return 0;
}

/* Whether an entry of answers is that of the flow which sends packets of `key`. */
static __always_inline bool flow_answers(const struct flow *flow, const struct flow_key *key)
{
	return flow->action != FLOW_UNTOUCHED && !(flow->flags & FLOW_ORIGINAL) &&
	       flow->rewritten.source_port == key->tuple.destination_port &&
	       flow->rewritten.destination_port == key->tuple.source_port &&
	       address_equal(&flow->rewritten.source, &key->tuple.destination) &&
	       address_equal(&flow->rewritten.destination, &key->tuple.source);
}

/*
 * Enters a flow: its answers first, as a packet never leaves before its answer can come back, and, unless `alone`, its own
 * direction. `alone` is for a flow whose next packet would be given the same backend and port: then it is seen here that
 * its answers are entered, and its own direction is too.
 */
__noinline int flow_remember(const struct flow_key *key, const struct flow *flow, bool alone)
{
	int remembered = REMEMBERED;
	struct flow_key partner_key;
	struct flow partner;
	struct flow *owner;
	long error;

	if (!key || !flow)
		return REMEMBER_FULL;
	flow_partner(key, flow, &partner_key, &partner);
	if (alone)
		partner.flags |= FLOW_ALONE;
	error = flow_enter(&partner_key, &partner, BPF_NOEXIST);
	if (error == -KERNEL_EEXIST) {
		owner = bpf_map_lookup_elem(&flows, &partner_key);
		if (owner && flow_answers(owner, key)) {
			remembered = REMEMBERED_AGAIN;
			partner.flags &= ~FLOW_ALONE;
		} else if (owner && !flow_expired(owner, key->protocol, flow->seen)) {
			return REMEMBER_CONFLICT;
		}
		error = flow_enter(&partner_key, &partner, BPF_ANY);
	}
	if (error)
		return REMEMBER_FULL;
	if (partner.flags & FLOW_ALONE || !flow_enter(key, flow, BPF_ANY))
		return remembered;
	flow_remove(&partner_key);
	return REMEMBER_FULL;
}

/*
 * Keeps both entries alive while packets flow, enters the one that is missing, and notes how TCP begins and ends. Does so
 * with the first packet of each granule.
 */
static __noinline int flow_refresh(const struct flow_key *key, struct flow *flow,
				   const struct packet *packet)
{
	struct flow_key partner_key;
	struct flow partner;
	struct flow *other;
	__u8 flags = flow->flags & ~FLOW_ALONE;

	if (packet->ends)
		flags |= FLOW_CLOSING;
	else if (packet->begins && has_connections(packet->protocol))
		flags &= ~FLOW_CLOSING;
	if (flags == flow->flags && flow->granule == flow_granule())
		return 0;
	flow_seen_now(flow);
	flow->flags = flags;
	if (flow->action == FLOW_UNTOUCHED || flow->action == FLOW_HAND_OVER)
		return 0;
	flow_partner(key, flow, &partner_key, &partner);
	other = bpf_map_lookup_elem(&flows, &partner_key);
	if (!other)
		return flow_enter(&partner_key, &partner, BPF_NOEXIST);
	other->seen = partner.seen;
	other->granule = partner.granule;
	other->flags = partner.flags;
	return 0;
}

/* In mid-stream, in the granule in which it was seen last: nothing else is to be asked or noted. */
static __always_inline bool flow_is_steady(const struct flow *flow, const struct packet *packet)
{
	return !packet->begins && !packet->ends && flow->action != FLOW_UNTOUCHED &&
	       !(flow->flags & FLOW_ALONE) && flow->granule == flow_granule();
}

/*
 * Whether a packet of a known flow still belongs to it. A connection in mid-stream always does; a SYN against the direction of
 * its flow never does; a new packet of a Service's flow does while its backend exists.
 */
static __always_inline bool flow_holds(const struct flow *flow, const struct packet *packet)
{
	bool connection = has_connections(packet->protocol);

	if (flow->action == FLOW_UNTOUCHED)
		return !flow_expired(flow, packet->protocol, clock_seconds());
	if (!packet->begins)
		return true;
	if (!(flow->flags & FLOW_ORIGINAL))
		return !connection;
	if (!(flow->flags & FLOW_SERVICE))
		return true;
	if (connection && (flow->flags & FLOW_CLOSING))
		return false;
	return backend_is(flow->backend, &flow->rewritten.destination,
			  flow->rewritten.destination_port, packet->protocol);
}

#endif
