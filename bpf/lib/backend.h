/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which backend of a frontend a new flow gets. */
#ifndef SANSPROXY_LIB_BACKEND_H
#define SANSPROXY_LIB_BACKEND_H

#include "addresses.h"

/* A cell may change under a reader that holds the previous selection: look again this often. */
#define BACKEND_TRIES 4

enum choice {
	CHOICE_MADE = 0,
	CHOICE_NO_ENDPOINT,
	CHOICE_ABSENT,
};

static __always_inline const struct backend *backend_by_id(__u32 id)
{
	const struct backend *backend;

	if (!id)
		return NULL;
	backend = bpf_map_lookup_elem(&backends, &id);
	return backend && backend->protocol ? backend : NULL;
}

/* Whether what went to a backend before may go on to it. */
static __always_inline bool backend_is(__u32 id, const struct address *address, __be16 port,
				       __u8 protocol)
{
	const struct backend *backend = backend_by_id(id);

	return backend && backend->protocol == protocol && backend->port == port &&
	       !(backend->flags & BACKEND_GONE) && address_equal(&backend->address, address);
}

/* The selection in one 8-byte load, so that offset and count belong together; false when there is no such selection. */
static __always_inline bool selection_read(__u32 index, struct selection *selection)
{
	const volatile __u64 *word = bpf_map_lookup_elem(&selections, &index);
	union {
		__u64 word;
		struct selection selection;
	} now;

	if (!word)
		return false;
	now.word = *word;
	*selection = now.selection;
	return true;
}

/* Chooses from selection `index` by `seed`: a random number, or what every node knows of a flow. */
static __always_inline enum choice backend_choose(__u32 index, __u32 seed, __u32 *id,
						  const struct backend **chosen)
{
	struct selection now;
	__u32 *cell;
	__u32 at;

	for (int try = 0; try < BACKEND_TRIES; try++) {
		if (!selection_read(index, &now))
			return CHOICE_ABSENT;
		if (!now.count)
			return CHOICE_NO_ENDPOINT;
		/* Scaled, not divided, to a cell; others only when that one is absent. */
		at = ((__u64)seed * now.count) >> 32;
		if (try)
			at = (at + try) % now.count;
		at += now.offset;
		cell = bpf_map_lookup_elem(&arena, &at);
		if (!cell)
			continue;
		*id = *cell;
		*chosen = backend_by_id(*id);
		if (*chosen)
			return CHOICE_MADE;
	}
	return CHOICE_ABSENT;
}

#endif
