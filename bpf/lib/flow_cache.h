/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Copies of what `flows` says of TCP connections over IPv4 in mid-stream, for each CPU its own: two in one cache line, where an
 * entry of the hash table lies in four lines that nobody else needs. A copy is true of its turn: whoever enters or takes away an
 * entry of `flows` gives its key the next one, and no CPU looks at what it had copied. A copy lasts for some jiffies only, so
 * that the LRU still sees who is in use. Nothing comes between on one CPU, as packets are handled with bottom halves off.
 */
#ifndef SANSPROXY_LIB_FLOW_CACHE_H
#define SANSPROXY_LIB_FLOW_CACHE_H

#include <linux/in.h>
#include "addresses.h"

#define FLOW_COPY_JIFFIES 64
#define FLOW_HASH_FACTOR 0x9e3779b97f4a7c15ULL

struct flow_copy {
	__be32 source;
	__be32 destination;
	__be32 new_source;
	__be32 new_destination;
	__be16 source_port;
	__be16 destination_port;
	__be16 new_source_port;
	__be16 new_destination_port;
	__u32 turn;
	/* When it was made. */
	__u16 jiffy;
	/* Of the key. */
	__u8 hook;
	/* 1 + the action; 0 is no copy. */
	__u8 way;
};

static_assert(sizeof(struct flow_copy) == 32, "flow_copy");

struct flow_copies {
	struct flow_copy newest;
	struct flow_copy older;
};

static_assert(sizeof(struct flow_copies) == 64, "flow_copies: one cache line");

/* Each CPU has `flow_cache_lines` of them; the loader sets both. BPF_F_MMAPABLE puts the first on a page's start. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_copies);
} flow_cache SEC(".maps");

/* In how many lines each CPU keeps copies; 0 for none. */
const volatile __u32 flow_cache_lines SEC(".rodata.flows");

static __always_inline __u32 flow_cache_hash(const struct flow_key *key)
{
	const struct tuple *tuple = &key->tuple;
	__u64 hash = (__u64)tuple->source.word[3] << 32 | tuple->destination.word[3];

	hash *= FLOW_HASH_FACTOR;
	hash ^= hash >> 32;
	hash += (__u32)tuple->source_port << 16 | tuple->destination_port;
	return hash * FLOW_HASH_FACTOR >> 32;
}

static __always_inline __u32 *flow_turn(__u32 hash)
{
	__u32 at = hash % FLOW_TURNS;

	return bpf_map_lookup_elem(&flow_turns, &at);
}

/*
 * Whether there may be copies of it: datagrams ask whether their backend is there, and SCTP whether the node itself has begun
 * it, neither of which a copy tells.
 */
static __always_inline bool flow_is_copied(const struct flow_key *key)
{
	return key->protocol == IPPROTO_TCP && address_is_v4(&key->tuple.source);
}

/*
 * After an entry of `flows` was entered or taken away. The sum is asked for, as only then the instruction is a barrier to
 * what was done before.
 */
static __always_inline void flow_next_turn(const struct flow_key *key)
{
	__u32 *turn;

	if (!flow_is_copied(key))
		return;
	turn = flow_turn(flow_cache_hash(key));
	if (turn)
		asm volatile("" ::"r"(__sync_fetch_and_add(turn, 1)));
}

static __always_inline struct flow_copies *flow_cache_line(__u32 hash)
{
	__u32 lines = flow_cache_lines;
	__u32 at = bpf_get_smp_processor_id() * lines + ((__u64)hash * lines >> 32);

	return lines ? bpf_map_lookup_elem(&flow_cache, &at) : NULL;
}

static __always_inline bool flow_copy_is_fresh(const struct flow_copy *copy)
{
	return copy->way && (__u16)(bpf_jiffies64() - copy->jiffy) < FLOW_COPY_JIFFIES;
}

static __always_inline bool flow_copy_answers(const struct flow_copy *copy,
					      const struct flow_key *key, const __u32 *turn)
{
	return copy->hook == key->hook && copy->source == key->tuple.source.word[3] &&
	       copy->destination == key->tuple.destination.word[3] &&
	       copy->source_port == key->tuple.source_port &&
	       copy->destination_port == key->tuple.destination_port &&
	       copy->turn == *(const volatile __u32 *)turn && flow_copy_is_fresh(copy);
}

static __always_inline void flow_copy_read(const struct flow_copy *copy, struct flow *way)
{
	way->rewritten.source = address_from_v4(copy->new_source);
	way->rewritten.destination = address_from_v4(copy->new_destination);
	way->rewritten.source_port = copy->new_source_port;
	way->rewritten.destination_port = copy->new_destination_port;
	way->action = copy->way - 1;
}

/* Fills in what a packet of a connection in mid-stream is given, if there is a copy of that: how, and where to. */
static __noinline bool flow_cache_find(const struct flow_key *key, struct flow *way)
{
	const struct flow_copies *line;
	const __u32 *turn;
	__u32 hash;

	if (!flow_is_copied(key))
		return false;
	hash = flow_cache_hash(key);
	turn = flow_turn(hash);
	line = flow_cache_line(hash);
	if (!turn || !line)
		return false;
	if (flow_copy_answers(&line->newest, key, turn))
		flow_copy_read(&line->newest, way);
	else if (flow_copy_answers(&line->older, key, turn))
		flow_copy_read(&line->older, way);
	else
		return false;
	return true;
}

/*
 * Copies the entry of a flow in mid-stream. What is handed over is not copied: its way back may have to be found. The turn
 * is read before the entry, by an instruction that keeps them in this order.
 */
static __noinline int flow_cache_keep(const struct flow_key *key)
{
	__u32 hash = flow_cache_hash(key);
	__u32 *turn = flow_turn(hash);
	struct flow_copies *line = flow_cache_line(hash);
	const struct flow *flow;
	struct flow_copy copy = {
		.source = key->tuple.source.word[3],
		.destination = key->tuple.destination.word[3],
		.source_port = key->tuple.source_port,
		.destination_port = key->tuple.destination_port,
		.hook = key->hook,
	};

	if (!turn || !line || !flow_is_copied(key))
		return 0;
	copy.turn = __sync_fetch_and_add(turn, 0);
	copy.jiffy = bpf_jiffies64();
	flow = bpf_map_lookup_elem(&flows, key);
	if (!flow || (flow->action != FLOW_TO_STACK && flow->action != FLOW_FORWARD))
		return 0;
	copy.new_source = flow->rewritten.source.word[3];
	copy.new_destination = flow->rewritten.destination.word[3];
	copy.new_source_port = flow->rewritten.source_port;
	copy.new_destination_port = flow->rewritten.destination_port;
	copy.way = flow->action + 1;
	if (flow_copy_is_fresh(&line->newest))
		line->older = line->newest;
	line->newest = copy;
	return 0;
}

#endif
