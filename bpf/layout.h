/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ABI with user space: what is in the maps. A changed layout needs a new SANSPROXY_ABI. */
#ifndef SANSPROXY_LAYOUT_H
#define SANSPROXY_LAYOUT_H

#include <linux/types.h>

#define static_assert _Static_assert

/* Part of the pinned name of every map, so that a changed layout never meets an old program. */
enum abi {
	SANSPROXY_ABI = 4,
};

/* An IPv6 address, or an IPv4 address mapped to ::ffff:a.b.c.d. */
struct address {
	__be32 word[4];
};

static_assert(sizeof(struct address) == 16, "address");

enum frontend_kind {
	FRONTEND_ADDRESS = 0,
	/* Any address of a node: `address` is ::ffff:0.0.0.0 or ::, as the family is. */
	FRONTEND_NODE_PORT = 1,
};

struct frontend_key {
	struct address address;
	__be16 port;
	__u8 protocol;
	__u8 kind;
};

static_assert(sizeof(struct frontend_key) == 20, "frontend_key");

enum frontend_flags {
	/* Also serves packets that enter the node; without it only sockets of the node are served. */
	FRONTEND_EXTERNAL = 1 << 0,
	/* A packet that finds no endpoint is dropped; without it, it is refused. Sockets are always refused. */
	FRONTEND_DROP = 1 << 1,
	/* Clients are served only from a source range of the service; the node itself always is. */
	FRONTEND_SOURCE_RANGES = 1 << 2,
	/* The selections' extents are Maglev tables, the same on every node. */
	FRONTEND_MAGLEV = 1 << 3,
	/* Direct server return: the node of a chosen backend may be handed the packet, to choose it again and to answer. */
	FRONTEND_DSR = 1 << 4,
};

struct frontend {
	/* What sockets of this node are given. */
	__u32 selection;
	/* What packets that enter the node are given. */
	__u32 external_selection;
	__u32 service;
	/* Session affinity: how long a client keeps its backend after its last new connection; 0 for none. */
	__u32 affinity_seconds;
	__u32 flags;
};

static_assert(sizeof(struct frontend) == 20, "frontend");

/* A network whose clients may use the frontends of `service`; the service's 32 bits count as prefix. */
struct source_range_key {
	__u32 prefix_bits;
	__u32 service;
	struct address address;
};

static_assert(sizeof(struct source_range_key) == 24, "source_range_key");

enum affinity_kind {
	/* The client is a source address. */
	AFFINITY_ADDRESS = 0,
	/* The client is a network namespace, whose cookie is the address's first 8 bytes: a pod, or the host. */
	AFFINITY_NAMESPACE = 1,
};

struct affinity_key {
	struct address client;
	__u32 service;
	__u32 kind;
};

static_assert(sizeof(struct affinity_key) == 24, "affinity_key");

struct affinity {
	__u32 backend;
	/* Seconds of the monotonic clock at the last new connection. */
	__u32 seen;
	/* Where in the selection the backend was last found: the place to look first, and no more than that. */
	__u32 position;
	__u32 reserved;
};

static_assert(sizeof(struct affinity) == 16, "affinity");

/* `count` backend ids from `offset` of the arena. Written and read as one aligned 8-byte word. */
struct selection {
	__u32 offset;
	__u16 count;
	__u16 generation;
};

static_assert(sizeof(struct selection) == 8, "selection");

enum backend_flags {
	/* Of UDP: what went there before leaves it. A packet that has read an old extent may still be given it. */
	BACKEND_GONE = 1 << 0,
};

/* A backend with protocol 0 is absent, and so is id 0. `protocol` is written last. */
struct backend {
	struct address address;
	__be16 port;
	__u8 protocol;
	__u8 flags;
	__u32 reserved;
};

static_assert(sizeof(struct backend) == 24, "backend");

enum node_flags {
	NODE_SOCKET_LB = 1 << 0,
	NODE_MASQUERADE_V4 = 1 << 1,
	/* No socket of the node may bind to a port that a NodePort has. */
	NODE_BIND_PROTECTION = 1 << 2,
	NODE_MASQUERADE_V6 = 1 << 3,
	/* There may be frontends with FRONTEND_DSR. */
	NODE_DSR = 1 << 4,
};

/* Facts about this node. Ports are in host order, both inclusive. */
struct node_config {
	struct address masquerade_v4;
	struct address masquerade_v6;
	__u16 node_port_first;
	__u16 node_port_last;
	__u32 flags;
	/* The cookie of the node's own network namespace: any other is a pod's. */
	__u64 namespace;
};

static_assert(sizeof(struct node_config) == 48, "node_config");

enum address_flags {
	/* An address of this node. */
	ADDRESS_OWN = 1 << 0,
	/* An address of any node of the cluster, this one included. */
	ADDRESS_CLUSTER = 1 << 1,
	/* NodePorts are not served there. */
	ADDRESS_NO_NODE_PORT = 1 << 2,
};

enum device_flags {
	/* A frame that came in by it can be turned around there (XDP_TX). */
	DEVICE_TURNS = 1 << 0,
	/* Frames can be redirected to it, also those that came in by it. */
	DEVICE_TAKES = 1 << 1,
};

/* A device whose frames are forwarded by XDP. */
struct device {
	__u8 mac[6];
	__u16 flags;
};

static_assert(sizeof(struct device) == 8, "device");

/* A device that XDP has just found in `devices`. `jiffy` is when. */
struct recent_device {
	__u64 jiffy;
	__u32 index;
	__u32 reserved;
	struct device device;
};

static_assert(sizeof(struct recent_device) == 24, "recent_device");

#define RECENT_ROUTES_BITS 8

/* Where the routing table has just sent a packet from `source` to `destination` that came in by device `from`. */
struct recent_route {
	struct address source;
	struct address destination;
	__u64 jiffy;
	__u32 from;
	__u32 to;
	/* How long an IP packet may be: what the road takes, or what was asked about. */
	__u16 length;
	/* The frame goes back by the device that it came in by. */
	__u16 turns;
	__u8 neighbour[6];
	__u8 own[6];
};

static_assert(sizeof(struct recent_route) == 64, "recent_route");

struct network_key {
	__u32 prefix_bits;
	struct address address;
};

static_assert(sizeof(struct network_key) == 20, "network_key");

/* The most specific entry carries the flags of all entries around it. */
enum network_flags {
	/* Pods of this node: sources that are masqueraded. */
	NETWORK_LOCAL_PODS = 1 << 0,
	/* Destinations that see the pods' own addresses. */
	NETWORK_NO_MASQUERADE = 1 << 1,
	/* Pods of any node: sources that are clients inside the cluster. */
	NETWORK_CLUSTER_PODS = 1 << 2,
};

enum socket_peer_flags {
	/* The frontend has source ranges, and what it sends has to show that one of them has its source. */
	SOCKET_PEER_RANGES = 1 << 0,
};

/*
 * What a socket was told it talks to, and what it really talks to. Of a connected socket; also of one that is not, for its
 * last datagram to a frontend with source ranges.
 */
struct socket_peer {
	struct address frontend;
	struct address backend;
	__be16 frontend_port;
	__be16 backend_port;
	__u32 backend_id;
	__u32 flags;
};

static_assert(sizeof(struct socket_peer) == 44, "socket_peer");

enum socket_flow_direction {
	/* address and port are a frontend's: which backend an unconnected UDP socket keeps. */
	SOCKET_TO_BACKEND = 0,
	/* address and port are a backend's: what the application believes it talks to. */
	SOCKET_TO_FRONTEND = 1,
};

struct socket_flow_key {
	__u64 cookie;
	struct address address;
	__be16 port;
	__u8 protocol;
	__u8 direction;
	__u32 reserved;
};

static_assert(sizeof(struct socket_flow_key) == 32, "socket_flow_key");

struct socket_flow {
	struct address address;
	__be16 port;
	__u16 reserved;
	/* The backend that SOCKET_TO_BACKEND leads to. */
	__u32 backend;
};

static_assert(sizeof(struct socket_flow) == 24, "socket_flow");

/* Addresses and ports as a packet carries them. ICMP echo: the identifier is the port of the asking side. */
struct tuple {
	struct address source;
	struct address destination;
	__be16 source_port;
	__be16 destination_port;
};

static_assert(sizeof(struct tuple) == 36, "tuple");

enum flow_hook {
	FLOW_AT_INGRESS = 0,
	FLOW_AT_EGRESS = 1,
};

struct flow_key {
	struct tuple tuple;
	__u8 protocol;
	__u8 hook;
	__u16 reserved;
};

static_assert(sizeof(struct flow_key) == 40, "flow_key");

enum flow_action {
	/* Seen, and to be left alone. */
	FLOW_UNTOUCHED = 0,
	/* Rewrite, and go on through the stack. */
	FLOW_TO_STACK = 1,
	/* Rewrite, and forward by the routing table. */
	FLOW_FORWARD = 2,
	/* Hand over to the node of the backend, as it is. `rewritten` says whose; there is no entry for answers. */
	FLOW_HAND_OVER = 3,
};

enum flow_flags {
	/* The side that began the flow sends these packets. */
	FLOW_ORIGINAL = 1 << 0,
	/* Chosen by a frontend: lives as long as its backend. */
	FLOW_SERVICE = 1 << 1,
	/* TCP: a FIN or RST was seen in this direction. */
	FLOW_CLOSING = 1 << 2,
	/* Of answers: the other direction has no entry yet. */
	FLOW_ALONE = 1 << 3,
};

struct flow {
	/* What the packet carries afterwards. */
	struct tuple rewritten;
	__u32 backend;
	__u32 service;
	/* Seconds of the monotonic clock at the first packet of the last granule that had one. */
	__u32 seen;
	__u8 action;
	__u8 flags;
	/* Which granule that was, so far as 16 bits tell; see flow.h. */
	__u16 granule;
};

static_assert(sizeof(struct flow) == 52, "flow");

/*
 * Counters of how often `flows` has changed at a key, many keys sharing one: what was copied from it before the last change
 * is no more true. See lib/flow_cache.h.
 */
#define FLOW_TURNS 16384

/* A packet that comes in fragments. */
struct fragment_key {
	struct address source;
	struct address destination;
	__be32 id;
	/* IPv4's; 0 for IPv6. */
	__u32 protocol;
};

static_assert(sizeof(struct fragment_key) == 40, "fragment_key");

/* What the first fragment showed. */
struct fragment {
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	/* The packet may begin a flow. */
	__u8 begins;
	__u16 reserved;
	/* Seconds of the monotonic clock. */
	__u32 seen;
};

static_assert(sizeof(struct fragment) == 12, "fragment");

/* Reasons, as the counters and the metrics name them. */
enum counter {
	COUNT_SOCKET_TRANSLATED = 0,
	COUNT_SOCKET_REFUSED,
	COUNT_SOCKET_REVERSED,
	COUNT_NEW_SERVICE_FLOW,
	COUNT_NEW_MASQUERADE_FLOW,
	COUNT_REWRITTEN,
	COUNT_FORWARDED,
	COUNT_FRAGMENT_PASSED,
	COUNT_STATE_FULL,
	COUNT_DROP_NO_ENDPOINT,
	COUNT_DROP_ABSENT_BACKEND,
	COUNT_DROP_NO_FREE_PORT,
	COUNT_DROP_NO_ROUTE,
	COUNT_DROP_TOO_BIG,
	COUNT_DROP_TTL_EXCEEDED,
	COUNT_DROP_REWRITE_FAILED,
	COUNT_DROP_STATE_FULL,
	COUNT_REFUSED,
	COUNT_DROP_SOURCE_RANGE,
	COUNT_AFFINITY_KEPT,
	COUNT_SOCKET_RELEASED,
	COUNT_ICMP_ERROR,
	COUNT_BIND_REFUSED,
	COUNT_FRAGMENT_FOLLOWED,
	COUNT_HANDED_OVER,
	COUNT_XDP_FORWARDED,
	COUNT_DROP_BACKEND_GONE,
	COUNTERS,
};

#endif
