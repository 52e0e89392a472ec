// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The two ends of a forwarding measurement: makes TCP frames of many flows out of nothing, and counts those that arrive. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define HEADERS (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct tcphdr))
#define FLOWS_PER_CLIENT 32768
#define FIRST_CLIENT_PORT 16384

/* `template` has zero for the source's address and port, and checksums that are right for that. */
struct generate {
	__u8 template[HEADERS];
	__u16 reserved;
	__u32 device;
	/* Packets belong to flows next, next + 1, ... modulo `flows`. */
	__u32 flows;
	__u32 next;
	/* In host order: of the first flow. */
	__u32 client;
};

_Static_assert(sizeof(struct generate) == 72, "generate");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct generate);
} generates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} arrived SEC(".maps");

/* What no packet of anybody else has: survives every translation. */
#define MARKED_WINDOW bpf_htons(0x5350)

/* A checksum after `added` came into fields that were zero. */
static __always_inline __u16 checksum_with(__u16 checksum, __u32 added)
{
	__u32 sum = (__u16)~checksum;

	sum += (added & 0xffff) + (added >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

SEC("xdp")
int generate_frame(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip + 1);
	struct generate *now;
	__u32 zero = 0, flow;

	now = bpf_map_lookup_elem(&generates, &zero);
	if (!now || !now->flows || data + HEADERS > end)
		return XDP_ABORTED;
	/* Frames come back as the last receiver left them, so all of each is written again. */
	__builtin_memcpy(data, now->template, HEADERS);
	flow = now->next++ % now->flows;
	ip->saddr = bpf_htonl(now->client + flow / FLOWS_PER_CLIENT);
	ip->check = checksum_with(ip->check, ip->saddr);
	tcp->source = bpf_htons(FIRST_CLIENT_PORT + flow % FLOWS_PER_CLIENT);
	tcp->check = checksum_with(tcp->check, ip->saddr);
	tcp->check = checksum_with(tcp->check, tcp->source);
	return bpf_redirect(now->device, 0);
}

SEC("xdp")
int count_frame(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u32 zero = 0;
	__u64 *count;

	if (data + HEADERS > end || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if (ip->protocol != IPPROTO_TCP || tcp->window != MARKED_WINDOW)
		return XDP_PASS;
	count = bpf_map_lookup_elem(&arrived, &zero);
	if (count)
		(*count)++;
	return XDP_DROP;
}

char licence[] SEC("license") = "Dual BSD/GPL";
