// SPDX-License-Identifier: Apache-2.0
/* What both ends of a measured connection share: a CPU and real time for the process, and addresses as they are told. */
#ifndef SANSPROXY_BENCH_MEASURED_H
#define SANSPROXY_BENCH_MEASURED_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Other work of the machine waits while we time, or goes on: false when we may not ask for that. */
static inline bool real_time(bool on)
{
	struct sched_param priority = {.sched_priority = on ? 20 : 0};

	return !sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &priority);
}

/* To the first or the last CPU of the machine. */
static inline void pin(bool first)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(first ? 0 : sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static inline struct sockaddr_in endpoint(const char *address, int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
		fprintf(stderr, "%s is no IPv4 address\n", address);
		exit(2);
	}
	return to;
}

#endif
