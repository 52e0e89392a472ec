// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What sockets of this cgroup tree may not do: reach a Service from outside its source ranges, or take a NodePort's port. */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include "lib/counters.h"
#include "lib/frontend.h"
#include "lib/socket_flow.h"

enum guard_verdict {
	GUARD_REFUSE = 0,
	GUARD_PROCEED = 1,
};

#define TCP_FLAGS_OFFSET 13
#define TCP_SYN_ACK_MASK 0x12
#define TCP_SYN 0x02

/* A packet as a socket sends it, with no link header. */
struct sent {
	struct address source;
	struct endpoint destination;
	__u32 l4_offset;
};

static __always_inline bool sent_parse_v4(struct __sk_buff *skb, struct sent *sent)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return false;
	sent->source = address_from_v4(ip.saddr);
	sent->destination.address = address_from_v4(ip.daddr);
	sent->destination.protocol = ip.protocol;
	sent->l4_offset = ip.ihl * 4;
	return true;
}

static __always_inline bool sent_parse_v6(struct __sk_buff *skb, struct sent *sent)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return false;
	__builtin_memcpy(&sent->source, &ip.saddr, sizeof(ip.saddr));
	__builtin_memcpy(&sent->destination.address, &ip.daddr, sizeof(ip.daddr));
	sent->destination.protocol = ip.nexthdr;
	sent->l4_offset = sizeof(ip);
	return true;
}

/* Whether a packet may begin something that its Service has not admitted yet: a SYN, or any datagram. */
static __always_inline bool sent_begins(struct __sk_buff *skb, struct sent *sent)
{
	__u8 flags;

	if (sent->destination.protocol == IPPROTO_UDP)
		return true;
	if (sent->destination.protocol != IPPROTO_TCP)
		return false;
	if (bpf_skb_load_bytes(skb, sent->l4_offset + TCP_FLAGS_OFFSET, &flags, sizeof(flags)))
		return false;
	return (flags & TCP_SYN_ACK_MASK) == TCP_SYN;
}

static __noinline int admitted(struct sent *sent, __u64 cookie)
{
	struct socket_flow_key key =
		socket_flow_key(cookie, &sent->destination, SOCKET_TO_FRONTEND);
	const struct socket_flow *flow = bpf_map_lookup_elem(&socket_flows, &key);
	struct frontend_key frontend_key = {.protocol = sent->destination.protocol};
	const struct frontend *frontend;

	if (!flow || !(flow->flags & SOCKET_FLOW_RANGES))
		return true;
	frontend_key.address = flow->address;
	frontend_key.port = flow->port;
	frontend = bpf_map_lookup_elem(&frontends, &frontend_key);
	return !frontend || frontend_admits(frontend, &sent->source);
}

/*
 * A socket connects before it has a source, which only its packets show. A pod that no range admits is not answered, as
 * where its packets would be dropped on their way.
 */
SEC("cgroup_skb/egress")
int socket_egress(struct __sk_buff *skb)
{
	struct sent sent = {};
	__be16 ports[2];

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (!sent_parse_v4(skb, &sent))
			return GUARD_PROCEED;
	} else if (skb->protocol != bpf_htons(ETH_P_IPV6) || !sent_parse_v6(skb, &sent)) {
		return GUARD_PROCEED;
	}
	if (!sent_begins(skb, &sent) ||
	    bpf_skb_load_bytes(skb, sent.l4_offset, ports, sizeof(ports)))
		return GUARD_PROCEED;
	sent.destination.port = ports[1];
	if (admitted(&sent, bpf_get_socket_cookie(skb)))
		return GUARD_PROCEED;
	count(COUNT_DROP_SOURCE_RANGE);
	return GUARD_REFUSE;
}

/* `port` is bound on `address`; a socket of IPv6 that is bound to any address hears IPv4 too. */
static __always_inline int guard_bind(struct bpf_sock *socket, const struct address *address)
{
	const struct node_config *config = node();
	__u16 port = socket->src_port;
	__u8 protocol = socket->protocol;
	bool v4 = address_is_v4(address);

	if (!config || !(config->flags & NODE_BIND_PROTECTION) || port < config->node_port_first ||
	    port > config->node_port_last || bpf_get_netns_cookie(socket) != config->namespace)
		return GUARD_PROCEED;
	if (!address_is_any(address) && !(node_address_flags(address) & ADDRESS_OWN))
		return GUARD_PROCEED;
	if (!node_port_lookup(v4, bpf_htons(port), protocol) &&
	    (v4 || !address_is_any(address) || !node_port_lookup(true, bpf_htons(port), protocol)))
		return GUARD_PROCEED;
	count(COUNT_BIND_REFUSED);
	return GUARD_REFUSE;
}

SEC("cgroup/post_bind4")
int post_bind4(struct bpf_sock *socket)
{
	struct address address = address_from_v4(socket->src_ip4);

	return guard_bind(socket, &address);
}

SEC("cgroup/post_bind6")
int post_bind6(struct bpf_sock *socket)
{
	struct address address = {.word = {socket->src_ip6[0], socket->src_ip6[1],
					   socket->src_ip6[2], socket->src_ip6[3]}};

	return guard_bind(socket, &address);
}

char licence[] SEC("license") = "Dual BSD/GPL";
