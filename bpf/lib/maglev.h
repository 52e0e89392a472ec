/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The number that chooses a flow's cell: a hash of the flow, so that each of its packets would choose the same, and of
 * Maglev tables on every node.
 */
#ifndef SANSPROXY_LIB_MAGLEV_H
#define SANSPROXY_LIB_MAGLEV_H

#include "packet.h"

/* Multiplier and rotation of murmur3's body, and its finish. */
#define HASH_FIRST 0xcc9e2d51
#define HASH_SECOND 0x1b873593
#define HASH_ADD 0xe6546b64
#define HASH_FINISH_FIRST 0x85ebca6b
#define HASH_FINISH_SECOND 0xc2b2ae35

static __always_inline __u32 rotate(__u32 value, __u32 bits)
{
	return value << bits | value >> (32 - bits);
}

static __always_inline __u32 hash_word(__u32 hash, __u32 word)
{
	hash ^= rotate(word * HASH_FIRST, 15) * HASH_SECOND;
	return rotate(hash, 13) * 5 + HASH_ADD;
}

static __always_inline __u32 hash_finish(__u32 hash)
{
	hash = (hash ^ hash >> 16) * HASH_FINISH_FIRST;
	hash = (hash ^ hash >> 13) * HASH_FINISH_SECOND;
	return hash ^ hash >> 16;
}

static __always_inline __u32 hash_address(__u32 hash, const struct address *address)
{
	if (!address_is_v4(address))
		for (int i = 0; i < 3; i++)
			hash = hash_word(hash, address->word[i]);
	return hash_word(hash, address->word[3]);
}

/* Of a Maglev table with session affinity only the client's address counts, so that it chooses the same everywhere. */
static __always_inline __u32 flow_seed(const struct frontend *frontend, const struct packet *packet)
{
	const struct tuple *tuple = &packet->tuple;
	__u32 hash = hash_address(0, &tuple->source);

	if (frontend->affinity_seconds && frontend->flags & FRONTEND_MAGLEV)
		return hash_finish(hash);
	hash = hash_address(hash, &tuple->destination);
	hash = hash_word(hash, (__u32)tuple->source_port << 16 | tuple->destination_port);
	return hash_finish(hash_word(hash, packet->protocol));
}

#endif
