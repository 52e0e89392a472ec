// SPDX-License-Identifier: Apache-2.0
/* Loads a Service and times it: does what its stdin says. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "measured.h"

#define MOST_SAMPLES 100000
#define PATIENT_US 1000000
#define IMPATIENT_US 20000
/* Between tries of `until`: the proxy that is waited for needs the CPU too. */
#define PAUSE_US 100
/* So many connections in a row are led anew. One alone may follow an entry of connection tracking whose port it has again. */
#define IN_A_ROW 20
/* A sweep that misses so many has seen enough. */
#define MOST_MISSED 20

/* Backends that may answer: `count` addresses from `first`, in host order. */
struct expected {
	uint32_t first;
	uint32_t count;
};

enum outcome {
	RIGHT = 0,
	WRONG_BACKEND,
	FAILED,
};

struct tally {
	long done;
	long wrong;
	long failed;
};

static uint64_t now_ns(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000ULL + at.tv_nsec;
}

static uint64_t cpu_us(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000ULL +
	       used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static int open_socket(long timeout_us)
{
	struct timeval patience = {timeout_us / 1000000, timeout_us % 1000000};
	/* A closed connection leaves nothing behind, so that ports do not run out. */
	struct linger none = {.l_onoff = 1};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		perror("load: socket");
		exit(1);
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static enum outcome read_backend(int fd, const struct expected *expected)
{
	uint32_t backend;

	if (recv(fd, &backend, sizeof(backend), MSG_WAITALL) != sizeof(backend))
		return FAILED;
	return ntohl(backend) - expected->first < expected->count ? RIGHT : WRONG_BACKEND;
}

/* One connection; `ns` is how long connect() took. */
static enum outcome visit(const struct sockaddr_in *to, const struct expected *expected, long timeout_us,
			  uint64_t *ns)
{
	int fd = open_socket(timeout_us);
	uint64_t begun = now_ns();
	enum outcome outcome = FAILED;

	if (!connect(fd, (const struct sockaddr *)to, sizeof(*to))) {
		*ns = now_ns() - begun;
		outcome = read_backend(fd, expected);
	}
	close(fd);
	return outcome;
}

/* Nobody's Service is asked for by its first backend: then all of them are asked, in turn. */
static struct sockaddr_in in_turn(struct sockaddr_in to, const struct expected *expected, long at)
{
	if (ntohl(to.sin_addr.s_addr) == expected->first)
		to.sin_addr.s_addr = htonl(expected->first + at % expected->count);
	return to;
}

static void count(struct tally *tally, enum outcome outcome)
{
	tally->done += outcome == RIGHT;
	tally->wrong += outcome == WRONG_BACKEND;
	tally->failed += outcome == FAILED;
}

static void print_tally(const struct tally *tally, uint64_t begun_ns, uint64_t begun_us, bool alone)
{
	printf("\"done\":%ld,\"wrong\":%ld,\"failed\":%ld,\"wallNs\":%lu,\"cpuUs\":%lu,\"realTime\":%s}\n", tally->done,
	       tally->wrong, tally->failed, now_ns() - begun_ns, cpu_us() - begun_us, alone ? "true" : "false");
}

/* `connect`: how long each of `samples` connects took. */
static void do_connects(const struct sockaddr_in *to, const struct expected *expected, long samples)
{
	static uint64_t ns[MOST_SAMPLES];
	struct tally tally = {};
	uint64_t begun, begun_us;
	bool alone = real_time(true);
	const char *comma = "";

	begun = now_ns();
	begun_us = cpu_us();
	for (long at = 0; at < samples && at < MOST_SAMPLES; at++) {
		struct sockaddr_in one = in_turn(*to, expected, at);

		ns[at] = 0;
		count(&tally, visit(&one, expected, PATIENT_US, &ns[at]));
	}
	real_time(false);
	printf("{\"ns\":[");
	for (long at = 0; at < samples && at < MOST_SAMPLES; at++) {
		if (!ns[at])
			continue;
		printf("%s%lu", comma, ns[at]);
		comma = ",";
	}
	printf("],");
	print_tally(&tally, begun, begun_us, alone);
}

/* `short`: connections with one answer each, for `ms`. */
static void do_short(const struct sockaddr_in *to, const struct expected *expected, long ms)
{
	struct tally tally = {};
	bool alone = real_time(true);
	uint64_t begun = now_ns(), begun_us = cpu_us(), ns;

	for (long at = 0; now_ns() - begun < (uint64_t)ms * 1000000; at++) {
		struct sockaddr_in one = in_turn(*to, expected, at);

		count(&tally, visit(&one, expected, PATIENT_US, &ns));
	}
	real_time(false);
	printf("{");
	print_tally(&tally, begun, begun_us, alone);
}

/* `keep`: questions and answers on one connection, for `ms`. */
static void do_keep(const struct sockaddr_in *to, const struct expected *expected, long ms)
{
	struct tally tally = {};
	int fd = open_socket(PATIENT_US);
	bool alone = real_time(true);
	uint64_t begun = now_ns(), begun_us = cpu_us();
	enum outcome outcome = FAILED;

	if (!connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		outcome = read_backend(fd, expected);
	while (outcome != FAILED && now_ns() - begun < (uint64_t)ms * 1000000) {
		outcome = send(fd, "?", 1, MSG_NOSIGNAL) == 1 ? read_backend(fd, expected) : FAILED;
		count(&tally, outcome);
	}
	if (outcome == FAILED)
		tally.failed++;
	close(fd);
	real_time(false);
	printf("{");
	print_tally(&tally, begun, begun_us, alone);
}

/* `until`: new connections until expected backends answer them all, `ms` at most; `atNs` is the first of these answers, 0 for never. */
static void do_until(const struct sockaddr_in *to, const struct expected *expected, long ms)
{
	struct tally tally = {};
	uint64_t begun = now_ns(), begun_us = cpu_us(), ns, at = 0, last = 0;
	int row = 0;

	while (row < IN_A_ROW && now_ns() - begun < (uint64_t)ms * 1000000) {
		enum outcome outcome = visit(to, expected, IMPATIENT_US, &ns);

		count(&tally, outcome);
		if (outcome != RIGHT) {
			last = now_ns();
			row = 0;
		} else if (!row++) {
			at = now_ns();
		}
		usleep(PAUSE_US);
	}
	if (row < IN_A_ROW)
		at = 0;
	printf("{\"atNs\":%lu,\"lastOtherNs\":%lu,", at, last);
	print_tally(&tally, begun, begun_us, false);
}

/* `sweep`: one connection to each of `services` addresses in a row, whose backends are `expected->count` each. */
static void do_sweep(struct sockaddr_in to, struct expected expected, long services)
{
	struct tally tally = {};
	uint64_t begun = now_ns(), begun_us = cpu_us(), ns;
	uint32_t address = ntohl(to.sin_addr.s_addr);

	for (long at = 0; at < services && tally.failed < MOST_MISSED; at++) {
		to.sin_addr.s_addr = htonl(address + at);
		count(&tally, visit(&to, &expected, PATIENT_US, &ns));
		expected.first += expected.count;
	}
	printf("{");
	print_tally(&tally, begun, begun_us, false);
}

/* A line is `COMMAND ADDRESS PORT FIRST_BACKEND BACKENDS AMOUNT`; the answer is one line of JSON. */
static int ask(void)
{
	char command[16], address[32], first[32];
	struct expected expected;
	struct sockaddr_in to;
	long amount;
	int port;

	pin(true);
	/* A pause is as long as it says, and not half as long again. */
	prctl(PR_SET_TIMERSLACK, 1);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	while (scanf("%15s %31s %d %31s %u %ld", command, address, &port, first, &expected.count, &amount) == 6) {
		to = endpoint(address, port);
		expected.first = ntohl(endpoint(first, 0).sin_addr.s_addr);
		if (!strcmp(command, "connect"))
			do_connects(&to, &expected, amount);
		else if (!strcmp(command, "short"))
			do_short(&to, &expected, amount);
		else if (!strcmp(command, "keep"))
			do_keep(&to, &expected, amount);
		else if (!strcmp(command, "until"))
			do_until(&to, &expected, amount);
		else if (!strcmp(command, "sweep"))
			do_sweep(to, expected, amount);
		else
			return 2;
		fflush(stdout);
	}
	return 0;
}

int main(void)
{
	return ask();
}
