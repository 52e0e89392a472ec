// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Makes each run of a measured program a packet of another flow, and goes on into that program by a tail call. */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include "../../../bpf/lib/frontend.h"
#include "../../../bpf/lib/backend.h"

enum order {
	/* Any flow, so that caches are as cold as they are among many flows. */
	ORDER_RANDOM = 0,
	/* One after another from `next` on. */
	ORDER_ASCENDING = 1,
};

/* Addresses and ports are in host order. A flow's Service is its number modulo `services`. */
struct drive {
	__u32 services;
	__u32 flows;
	__u32 order;
	__u32 next;
	/* Frontend of Service s: `address + s * address_step`, `port + s * port_step`. */
	__u32 address;
	__u32 address_step;
	__u32 port;
	__u32 port_step;
	__u32 client;
	/* 1: packets go from the frontend's address and port to the client, as a backend's answers do. */
	__u32 reverse;
	/* Of the TCP header. */
	__u16 flags;
	/* Of the device that the packets come in by. */
	__u8 mac[ETH_ALEN];
};

static_assert(sizeof(struct drive) == 48, "drive");

#define FLOWS_PER_CLIENT 32768
#define FIRST_CLIENT_PORT 16384
/* In the TCP header. */
#define FLAGS_AT 13
#define HEADERS (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct tcphdr))

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct drive);
} drives SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} driven SEC(".maps");

/* The same for an XDP program: one array holds programs of one kind. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} driven_xdp SEC(".maps");

static __always_inline struct drive *drive_now(__u32 *flow)
{
	__u32 zero = 0;
	struct drive *drive = bpf_map_lookup_elem(&drives, &zero);

	if (!drive || !drive->flows || !drive->services)
		return NULL;
	if (drive->order == ORDER_ASCENDING)
		*flow = drive->next++ % drive->flows;
	else
		*flow = bpf_get_prandom_u32() % drive->flows;
	return drive;
}

/* A packet comes back as the last program left it, so all that one may change is written again. */
static __always_inline bool drive_headers(void *data, void *end)
{
	struct ethhdr *ethernet = data;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u32 flow, service, frontend, client;
	__be16 frontend_port, client_port;
	struct drive *drive = drive_now(&flow);

	if (!drive || data + HEADERS > end)
		return false;
	service = flow % drive->services;
	frontend = bpf_htonl(drive->address + service * drive->address_step);
	frontend_port = bpf_htons(drive->port + service * drive->port_step);
	client = bpf_htonl(drive->client + flow / FLOWS_PER_CLIENT);
	client_port = bpf_htons(FIRST_CLIENT_PORT + flow % FLOWS_PER_CLIENT);
	__builtin_memcpy(ethernet->h_dest, drive->mac, ETH_ALEN);
	ip->ttl = 64;
	ip->saddr = drive->reverse ? frontend : client;
	ip->daddr = drive->reverse ? client : frontend;
	tcp->source = drive->reverse ? frontend_port : client_port;
	tcp->dest = drive->reverse ? client_port : frontend_port;
	((__u8 *)tcp)[FLAGS_AT] = drive->flags;
	return true;
}

SEC("tc")
int drive_packet(struct __sk_buff *skb)
{
	if (!drive_headers((void *)(long)skb->data, (void *)(long)skb->data_end))
		return -1;
	skb->mark = 0;
	bpf_tail_call(skb, &driven, 0);
	return -1;
}

SEC("xdp.frags")
int drive_frame(struct xdp_md *context)
{
	if (!drive_headers((void *)(long)context->data, (void *)(long)context->data_end))
		return XDP_ABORTED;
	bpf_tail_call(context, &driven_xdp, 0);
	return XDP_ABORTED;
}

/* What everything else is measured net of: the drive, the tail call, and a program that does nothing. */
SEC("tc")
int drive_null(struct __sk_buff *skb)
{
	return skb->len ? 0 : -1;
}

SEC("xdp.frags")
int drive_null_xdp(struct xdp_md *context)
{
	return context->ingress_ifindex ? XDP_PASS : XDP_ABORTED;
}

static __always_inline bool find_frontend(struct address *address, __be16 *port)
{
	__u32 flow, service;
	struct drive *drive = drive_now(&flow);

	if (!drive)
		return false;
	service = flow % drive->services;
	*address = address_from_v4(bpf_htonl(drive->address + service * drive->address_step));
	*port = bpf_htons(drive->port + service * drive->port_step);
	return true;
}

/* A Service by its address and port, with nothing around it; with `chooses` also its backend. */
static __always_inline int look_up_service(struct __sk_buff *skb, bool chooses)
{
	const struct node_config *config = node();
	const struct frontend *frontend;
	const struct backend *backend;
	struct address address;
	enum choice choice;
	__be16 port;
	__u32 id;

	if (!config || !find_frontend(&address, &port) || !skb->len)
		return 1;
	frontend = frontend_lookup(config, &address, port, 6, ADDRESS_OWN);
	if (!frontend)
		return 2;
	if (!chooses)
		return frontend->selection ? 0 : 2;
	choice = backend_choose(frontend->selection, bpf_get_prandom_u32(), &id, &backend);
	return choice == CHOICE_MADE ? 0 : 3;
}

SEC("tc")
int look_up(struct __sk_buff *skb)
{
	return look_up_service(skb, false);
}

SEC("tc")
int look_up_choose(struct __sk_buff *skb)
{
	return look_up_service(skb, true);
}

/* The same without the look-up. */
SEC("tc")
int look_up_null(struct __sk_buff *skb)
{
	const struct node_config *config = node();
	struct address address;
	__be16 port;

	if (!config || !find_frontend(&address, &port) || !skb->len)
		return 1;
	return address.word[3] ? 0 : 1;
}

char licence[] SEC("license") = "Dual BSD/GPL";
