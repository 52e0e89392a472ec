// SPDX-License-Identifier: Apache-2.0
/*
 * Opens new TCP connections at a steady rate until its input ends: `load RATE PREFIX ADDRESS:PORT...`. Each has to be
 * accepted, to say something that begins with PREFIX, and to be closed by the other side. One line of JSON says what became
 * of them all; the first that failed are told on stderr as they fail.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_TARGETS 16
#define MOST_OPEN 4096
#define MOST_EVENTS 256
#define MOST_TOLD 20
#define ANSWER_BYTES 64
#define PATIENCE_NS 5000000000ULL

enum fate {
	ANSWERED = 0,
	REFUSED,
	RESET,
	UNREACHABLE,
	SILENT,
	WRONG_ANSWER,
	OTHER_ERROR,
	FATES,
};

static const char *const fate_names[FATES] = {
	"answered", "refused", "reset", "unreachable", "noAnswer", "wrongAnswer", "otherError",
};

/* A slot is free while `fd` is -1. All wait equally long, so that the oldest is the first to run out of patience. */
struct connection {
	int fd;
	unsigned int target;
	uint64_t opened_ns;
	size_t heard;
	char answer[ANSWER_BYTES];
};

static struct connection connections[MOST_OPEN];
static struct sockaddr_in targets[MOST_TARGETS];
static unsigned int target_count, opened_now;
static long fates[FATES], told, not_opened;
static const char *prefix;
static int events;

static uint64_t now_ns(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000ULL + at.tv_nsec;
}

static void read_target(char *text)
{
	char *colon = strrchr(text, ':');
	struct sockaddr_in *to = &targets[target_count];

	if (!colon || target_count == MOST_TARGETS)
		goto wrong;
	*colon = '\0';
	to->sin_family = AF_INET;
	to->sin_port = htons(atoi(colon + 1));
	if (!to->sin_port || inet_pton(AF_INET, text, &to->sin_addr) != 1)
		goto wrong;
	target_count++;
	return;
wrong:
	fprintf(stderr, "load: \"%s\" is not one of at most %d IPv4 ADDRESS:PORT\n", text,
		MOST_TARGETS);
	exit(2);
}

static enum fate fate_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return REFUSED;
	case ECONNRESET:
	case EPIPE:
		return RESET;
	case EHOSTUNREACH:
	case ENETUNREACH:
		return UNREACHABLE;
	}
	return OTHER_ERROR;
}

static void end(struct connection *connection, enum fate fate)
{
	struct sockaddr_in own = {};
	socklen_t length = sizeof(own);
	const struct sockaddr_in *to = &targets[connection->target];
	char address[INET_ADDRSTRLEN];
	struct timespec at;

	fates[fate]++;
	if (fate != ANSWERED && told++ < MOST_TOLD) {
		clock_gettime(CLOCK_REALTIME, &at);
		getsockname(connection->fd, (struct sockaddr *)&own, &length);
		fprintf(stderr, "%lld.%03ld %s: port %d to %s:%d after %llu ms\n",
			(long long)at.tv_sec, at.tv_nsec / 1000000, fate_names[fate],
			ntohs(own.sin_port),
			inet_ntop(AF_INET, &to->sin_addr, address, sizeof(address)),
			ntohs(to->sin_port),
			(unsigned long long)(now_ns() - connection->opened_ns) / 1000000);
	}
	close(connection->fd);
	connection->fd = -1;
	opened_now--;
}

/* False when this machine had no room for another: that says nothing of who is asked. */
static bool open_next(struct connection *connection)
{
	static unsigned int turn;
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = connection};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	*connection = (struct connection){
		.fd = fd, .target = turn++ % target_count, .opened_ns = now_ns()};
	opened_now++;
	if (connect(fd, (struct sockaddr *)&targets[connection->target], sizeof(targets[0])) &&
	    errno != EINPROGRESS) {
		if (errno != EADDRNOTAVAIL) {
			end(connection, fate_of(errno));
			return true;
		}
		close(fd);
		connection->fd = -1;
		opened_now--;
		return false;
	}
	epoll_ctl(events, EPOLL_CTL_ADD, fd, &event);
	return true;
}

static void hear(struct connection *connection)
{
	size_t wanted = strlen(prefix);
	ssize_t got;

	for (;;) {
		got = recv(connection->fd, connection->answer + connection->heard,
			   ANSWER_BYTES - connection->heard, 0);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got < 0) {
			end(connection, fate_of(errno));
			return;
		}
		connection->heard += got;
		if (got && connection->heard < ANSWER_BYTES)
			continue;
		end(connection,
		    connection->heard >= wanted && !memcmp(connection->answer, prefix, wanted)
			    ? ANSWERED
			    : WRONG_ANSWER);
		return;
	}
}

static void give_up(uint64_t now)
{
	for (unsigned int at = 0; at < MOST_OPEN; at++)
		if (connections[at].fd >= 0 && connections[at].opened_ns + PATIENCE_NS < now)
			end(&connections[at], SILENT);
}

static bool input_ended(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

int main(int count, char **words)
{
	struct rlimit files = {MOST_OPEN + 64, MOST_OPEN + 64};
	struct epoll_event ready[MOST_EVENTS];
	uint64_t began, now, looked, stopped = 0;
	unsigned int slot = 0;
	long due, begun = 0, rate;
	int found;

	if (count < 4 || (rate = atol(words[1])) <= 0) {
		fprintf(stderr, "usage: load RATE PREFIX ADDRESS:PORT...\n");
		return 2;
	}
	prefix = words[2];
	for (int at = 3; at < count; at++)
		read_target(words[at]);
	setrlimit(RLIMIT_NOFILE, &files);
	for (unsigned int at = 0; at < MOST_OPEN; at++)
		connections[at].fd = -1;
	events = epoll_create1(EPOLL_CLOEXEC);
	began = looked = now_ns();
	while (!stopped || opened_now) {
		now = now_ns();
		due = stopped ? begun : (long)((now - began) / 1e9 * rate);
		for (; begun < due && opened_now < MOST_OPEN; begun++) {
			while (connections[slot % MOST_OPEN].fd >= 0)
				slot++;
			if (!open_next(&connections[slot++ % MOST_OPEN])) {
				not_opened++;
				begun++;
				break;
			}
		}
		found = epoll_wait(events, ready, MOST_EVENTS, 1);
		for (int at = 0; at < found; at++)
			hear(ready[at].data.ptr);
		if (now - looked > 100000000ULL) {
			give_up(now);
			looked = now;
			if (!stopped && input_ended())
				stopped = now;
		}
	}
	printf("{\"seconds\":%.2f,\"notOpened\":%ld", (stopped - began) / 1e9, not_opened);
	for (int fate = 0; fate < FATES; fate++)
		printf(",\"%s\":%ld", fate_names[fate], fates[fate]);
	printf("}\n");
	return 0;
}
