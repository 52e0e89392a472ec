/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SCTP: its header, and its checksum, a CRC32c of the packet behind the IP header with no pseudo header. A CRC is linear:
 * what it changes by, when one word changes, is the CRC of the difference, moved on by the bytes behind it. Numbers are
 * little-endian here, as the checksum is and the machine.
 */
#ifndef SANSPROXY_LIB_SCTP_H
#define SANSPROXY_LIB_SCTP_H

#include <stdbool.h>
#include "../maps.h"

#define SCTP_INIT 1
#define SCTP_ABORT 6
#define SCTP_SHUTDOWN_COMPLETE 14
/* Of an ABORT: its tag is the one that the packet had, as ours is not known. */
#define SCTP_TAG_REFLECTED 1

/* The common header, and that of the first chunk. */
struct sctp_header {
	union {
		struct {
			__be16 source;
			__be16 destination;
		};
		__u32 ports;
	};
	__be32 tag;
	/* Zero where it is left to the device. */
	__u32 checksum;
	__u8 chunk;
	__u8 flags;
	__be16 chunk_length;
};

static_assert(sizeof(struct sctp_header) == 16, "sctp_header");

#define SCTP_CHUNK_HEADER 4
#define SCTP_INITIATE_TAG sizeof(struct sctp_header)
#define SCTP_PORTS_AND_CHECKSUM offsetof(struct sctp_header, chunk)

/* x^32 + the rest, bits reflected: the highest bit is x^0. */
#define CRC32C_POLYNOMIAL 0x82f63b78

/* Opaque to the compiler, which would make masks of 0 and -1 of it: the verifier follows each of their values. */
static __always_inline __u32 low_bit(__u32 word)
{
	word &= 1;
	asm volatile("" : "+r"(word));
	return word;
}

/*
 * The product of two polynomials, modulo CRC32c's. Not a loop: without CAP_PERFMON the verifier follows it also past its end,
 * where it has none.
 */
__noinline __u32 crc32c_multiply(__u32 a, __u32 b)
{
	__u32 product = 0;

#pragma unroll
	for (int bit = 31; bit >= 0; bit--) {
		product ^= b * low_bit(a >> bit);
		b = b >> 1 ^ CRC32C_POLYNOMIAL * low_bit(b);
	}
	return product;
}

/* A CRC moved on by so many bytes of zeros, up to 65535. */
__noinline __u32 crc32c_move(__u32 crc, __u32 bytes)
{
	/* x^8, and each the square of the one before: what 1, 2, 4, ... bytes multiply by. */
	const __u32 powers[] = {
		0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a,
		0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a,
		0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
	};

#pragma unroll
	for (int bit = 0; bit < 16; bit++)
		if (bytes >> bit & 1)
			crc = crc32c_multiply(crc, powers[bit]);
	return crc;
}

/* The checksum of a packet that is a header alone; its own field is zero. */
static __always_inline __u32 sctp_checksum(const struct sctp_header *header)
{
	const __u32 *words = (const __u32 *)header;
	__u32 crc = ~0;

	for (__u32 word = 0; word < sizeof(*header) / sizeof(*words); word++)
		crc = crc32c_move(crc ^ words[word], sizeof(*words));
	return ~crc;
}

#endif
