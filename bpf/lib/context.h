/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a program is given of its packet, and gives on. Not a typedef: the verifier knows a global function's context by its struct. */
#ifndef SANSPROXY_LIB_CONTEXT_H
#define SANSPROXY_LIB_CONTEXT_H

#include "../maps.h"

#ifndef PACKET_CONTEXT
#define PACKET_CONTEXT struct __sk_buff
#endif

/* True where another program of ours gets the packets that are not forwarded, and is to find their flow. */
#ifndef PACKET_PASSED_ON
#define PACKET_PASSED_ON false
#endif

#endif
