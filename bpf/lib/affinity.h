/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Session affinity: a client keeps its backend while that can be chosen and the last new connection is recent. */
#ifndef SANSPROXY_LIB_AFFINITY_H
#define SANSPROXY_LIB_AFFINITY_H

#include "backend.h"
#include "clock.h"
#include "counters.h"

struct affinity_search {
	__u32 offset;
	__u32 backend;
	__u32 position;
	bool found;
};

static long affinity_compare(__u32 index, struct affinity_search *search)
{
	__u32 at = search->offset + index;
	const __u32 *cell = bpf_map_lookup_elem(&arena, &at);

	search->found = cell && *cell == search->backend;
	search->position = index;
	return search->found;
}

/*
 * Whether the selection holds the backend; next->position becomes where. The cell where it was last found answers at once
 * for a selection that has not changed. Nothing else would do: indices, generations and ids are all used again.
 */
static __always_inline bool affinity_selectable(const struct affinity *last,
						const struct selection *now, struct affinity *next)
{
	struct affinity_search search = {.offset = now->offset, .backend = last->backend};

	next->position = last->position;
	if (last->position < now->count && affinity_compare(last->position, &search))
		return true;
	bpf_loop(now->count, affinity_compare, &search, 0);
	next->position = search.position;
	return search.found;
}

/* Whether the client's last backend still serves it, out of selection `index`; `next` is what to remember in its place. */
static __noinline int affinity_kept(const struct affinity_key *client, struct affinity *next,
				    __u32 index, __u32 limit)
{
	const struct affinity *last = bpf_map_lookup_elem(&affinities, client);
	struct selection now;

	if (!last || next->seen - last->seen > limit || !selection_read(index, &now))
		return false;
	if (!affinity_selectable(last, &now, next))
		return false;
	next->backend = last->backend;
	return true;
}

/*
 * The id of the backend for a client of a frontend, out of selection `index`; each is a new connection. `seed` chooses for
 * a client that has none yet.
 */
static __noinline int affinity_choose(const struct frontend *frontend, __u32 index,
				      struct affinity_key *client, __u32 seed, __u32 *id)
{
	struct affinity next = {};
	const struct backend *backend;
	enum choice choice;
	__u32 limit = frontend->affinity_seconds;

	if (!limit)
		return backend_choose(index, seed, id, &backend);
	next.seen = clock_seconds();
	client->service = frontend->service;
	if (affinity_kept(client, &next, index, limit) && backend_by_id(next.backend)) {
		count(COUNT_AFFINITY_KEPT);
		*id = next.backend;
	} else {
		choice = backend_choose(index, seed, id, &backend);
		if (choice != CHOICE_MADE)
			return choice;
		next.backend = *id;
	}
	if (bpf_map_update_elem(&affinities, client, &next, BPF_ANY))
		count(COUNT_STATE_FULL);
	return CHOICE_MADE;
}

#endif
