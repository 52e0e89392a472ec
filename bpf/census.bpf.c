// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Says how many entries each hash map of this machine holds, as the kernel counts them itself: no map is walked. */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum iteration {
	ITERATION_NEXT = 0,
};

#define KERNEL_TYPE __attribute__((preserve_access_index))

struct seq_file;

/* The member that we read of the kernel's own struct; the loader finds where it lies. */
struct bpf_map {
	__u32 id;
} KERNEL_TYPE;

struct bpf_iter_meta {
	struct seq_file *seq;
} KERNEL_TYPE;

/* Part of the kernel's promise to iterators, so it lies where it is declared. */
struct bpf_iter__bpf_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
};

/* What is written for each map. */
struct census {
	__u64 entries;
	__u32 map_id;
	__u32 reserved;
};

_Static_assert(sizeof(struct census) == 16, "census");

/* 0 for maps of a kind that is not counted, such as arrays. */
extern __s64 bpf_map_sum_elem_count(const struct bpf_map *map) __ksym;

SEC("iter/bpf_map")
int count_entries(struct bpf_iter__bpf_map *ctx)
{
	struct bpf_map *map = ctx->map;
	struct census census = {};

	if (!map)
		return ITERATION_NEXT;
	census.map_id = map->id;
	census.entries = bpf_map_sum_elem_count(map);
	bpf_seq_write(ctx->meta->seq, &census, sizeof(census));
	return ITERATION_NEXT;
}

char licence[] SEC("license") = "Dual BSD/GPL";
