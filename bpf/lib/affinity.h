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
	bool found;
};

static long affinity_compare(__u32 index, struct affinity_search *search)
{
	__u32 at = search->offset + index;
	const __u32 *cell = bpf_map_lookup_elem(&arena, &at);

	search->found = cell && *cell == search->backend;
	return search->found;
}

/*
 * Whether the selection holds the backend. The generation answers at once for a selection that has not changed since the
 * backend was last found in it; only after a change are its cells compared.
 */
static __always_inline bool affinity_selectable(const struct affinity *affinity, __u32 index,
						const struct selection *now)
{
	struct affinity_search search = {.offset = now->offset, .backend = affinity->backend};

	if (!now->count)
		return false;
	if (affinity->selection == index && affinity->generation == now->generation)
		return true;
	bpf_loop(now->count, affinity_compare, &search, 0);
	return search.found;
}

/* Whether the client's last backend still serves it; `next` is what to remember in its place. */
static __noinline int affinity_kept(const struct affinity_key *client, struct affinity *next,
				    __u32 limit)
{
	const struct affinity *last = bpf_map_lookup_elem(&affinities, client);
	struct selection now;

	if (!selection_read(next->selection, &now))
		return false;
	next->generation = now.generation;
	if (!last || next->seen - last->seen > limit ||
	    !affinity_selectable(last, next->selection, &now))
		return false;
	next->backend = last->backend;
	return true;
}

/* The id of the backend for a client of a frontend, out of selection `index`; each is a new connection. */
static __noinline int affinity_choose(const struct frontend *frontend, __u32 index,
				      struct affinity_key *client, __u32 *id)
{
	struct affinity next = {.selection = index};
	const struct backend *backend;
	enum choice choice;
	__u32 limit = frontend->affinity_seconds;

	if (!limit)
		return backend_choose(index, id, &backend);
	next.seen = clock_seconds();
	client->service = frontend->service;
	if (affinity_kept(client, &next, limit) && backend_by_id(next.backend)) {
		count(COUNT_AFFINITY_KEPT);
		*id = next.backend;
	} else {
		choice = backend_choose(index, id, &backend);
		if (choice != CHOICE_MADE)
			return choice;
		next.backend = *id;
	}
	if (bpf_map_update_elem(&affinities, client, &next, BPF_ANY))
		count(COUNT_STATE_FULL);
	return CHOICE_MADE;
}

#endif
