// SPDX-License-Identifier: Apache-2.0
/* Steady traffic whose losses are counted: new connections at a fixed rate, each with one answer, and long connections that
 * are asked in turn. `traffic FILE PER_SECOND LONG`; a line of FILE is `ADDRESS PORT FIRST COUNT OTHER`: who may answer there,
 * `COUNT` backends from FIRST, and OTHER. Said when all long connections are open. On stdin, `now` tells the counts and who
 * answered the newest connection; `end` begins nothing more, waits for what is under way, and tells the last counts.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
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

#define SLOTS 16384
/* Longer is lost: more than the first retransmission takes, and less than the second. */
#define PATIENCE_NS 2000000000ULL
#define ASKED_PER_SECOND 10
#define CHECK_NS 20000000ULL

struct target {
	struct sockaddr_in at;
	uint32_t first, count, other;
};

enum state {
	FREE = 0,
	ONCE,
	/* Long connections: before the first answer, between questions, while an answer is due, and lost. */
	OPENING,
	IDLE,
	ASKED,
	BROKEN,
};

static struct slot {
	int fd;
	enum state state;
	uint32_t target;
	/* Of a long connection: who answered first. */
	uint32_t backend;
	/* Of a new connection: which one it is. */
	uint64_t number;
	uint64_t deadline;
} slots[SLOTS];

static struct target *targets;
static uint32_t target_count;
static int poll_fd;
static long long_count;
static struct {
	uint64_t connections, failed, wrong, requests, broken;
} counts;
static uint64_t newest, under_way;
static uint32_t newest_backend;

static uint64_t now_ns(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000ULL + at.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void read_targets(const char *path)
{
	char address[32], first[32], other[32];
	struct target target = {.at.sin_family = AF_INET};
	FILE *file = fopen(path, "r");
	unsigned int count;
	int port;

	if (!file)
		fail(path);
	while (fscanf(file, "%31s %d %31s %u %31s", address, &port, first, &count, other) == 5) {
		target.at.sin_port = htons(port);
		target.at.sin_addr.s_addr = inet_addr(address);
		target.first = ntohl(inet_addr(first));
		target.count = count;
		target.other = ntohl(inet_addr(other));
		targets = realloc(targets, (target_count + 1) * sizeof(target));
		if (!targets)
			fail("traffic: memory");
		targets[target_count++] = target;
	}
	fclose(file);
	if (!target_count) {
		fprintf(stderr, "traffic: %s names no target\n", path);
		exit(2);
	}
}

static bool may_answer(const struct target *target, uint32_t backend)
{
	return backend - target->first < target->count || backend == target->other;
}

/* What is over is FREE again, but a long connection that is lost stays so. */
static void finish(struct slot *slot, bool answered)
{
	bool once = slot->state == ONCE;

	if (slot->fd >= 0)
		close(slot->fd);
	slot->fd = -1;
	under_way -= slot->state != IDLE;
	slot->state = once ? FREE : BROKEN;
	if (once)
		counts.failed += !answered;
	else
		counts.broken++;
}

static void begin(struct slot *slot, enum state state, uint32_t target)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = slot - slots};
	/* A closed connection leaves nothing behind, so that ports do not run out. */
	struct linger none = {.l_onoff = 1};
	int one = 1;

	*slot = (struct slot){.state = state, .target = target, .deadline = now_ns() + PATIENCE_NS};
	slot->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (slot->fd < 0)
		fail("traffic: socket");
	setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	under_way++;
	if (state == ONCE)
		slot->number = ++counts.connections;
	if (connect(slot->fd, (struct sockaddr *)&targets[target].at, sizeof(targets[target].at)) && errno != EINPROGRESS) {
		if (errno == EADDRNOTAVAIL)
			fail("traffic: no port is left");
		finish(slot, false);
		return;
	}
	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, slot->fd, &event))
		fail("traffic: epoll");
}

static void hear(struct slot *slot)
{
	uint32_t backend;
	ssize_t got = recv(slot->fd, &backend, sizeof(backend), 0);

	if (got < 0 && errno == EAGAIN)
		return;
	/* Nobody said anything between the questions: an end, or an answer to nothing. */
	if (got != sizeof(backend) || slot->state == IDLE) {
		finish(slot, false);
		return;
	}
	backend = ntohl(backend);
	if (slot->state == ASKED ? backend != slot->backend : !may_answer(&targets[slot->target], backend))
		counts.wrong++;
	if (slot->state == ONCE) {
		if (slot->number > newest) {
			newest = slot->number;
			newest_backend = backend;
		}
		finish(slot, true);
		return;
	}
	slot->backend = backend;
	slot->state = IDLE;
	under_way--;
}

static void ask(struct slot *slot)
{
	if (slot->state != IDLE)
		return;
	slot->state = ASKED;
	slot->deadline = now_ns() + PATIENCE_NS;
	under_way++;
	counts.requests++;
	if (send(slot->fd, "?", 1, MSG_NOSIGNAL) != 1)
		finish(slot, false);
}

static struct slot *free_slot(void)
{
	static uint32_t next;

	for (uint32_t tried = 0; tried < SLOTS - long_count; tried++) {
		struct slot *slot = &slots[long_count + (next++ % (SLOTS - long_count))];

		if (slot->state == FREE)
			return slot;
	}
	fprintf(stderr, "traffic: %d connections are under way and none ends\n", SLOTS);
	exit(1);
}

static void give_up_on_late(uint64_t now)
{
	for (struct slot *slot = slots; slot < slots + SLOTS; slot++) {
		bool waits = slot->state == ONCE || slot->state == OPENING || slot->state == ASKED;

		if (waits && slot->deadline < now)
			finish(slot, false);
	}
}

static void tell(void)
{
	struct in_addr backend = {.s_addr = htonl(newest_backend)};

	printf("{\"connections\":%lu,\"failed\":%lu,\"wrong\":%lu,\"requests\":%lu,\"longConnections\":%ld,\"broken\":%lu,"
	       "\"newest\":\"%s\"}\n",
	       counts.connections, counts.failed, counts.wrong, counts.requests, long_count, counts.broken,
	       inet_ntoa(backend));
	fflush(stdout);
}

/* Whether there is something on stdin. */
static bool spoken_to;

/* False while there may be more to hear. */
static bool hear_all(int timeout_ms)
{
	struct epoll_event ready[256];
	int events = epoll_wait(poll_fd, ready, 256, timeout_ms);

	for (int index = 0; index < events; index++)
		if (ready[index].data.u32 == SLOTS)
			spoken_to = true;
		else
			hear(&slots[ready[index].data.u32]);
	return events < 256;
}

/* False when what was said is `end`. */
static bool obey(void)
{
	char said[16] = {};

	if (read(STDIN_FILENO, said, sizeof(said) - 1) <= 0)
		exit(0);
	spoken_to = false;
	if (!strncmp(said, "end", 3))
		return false;
	tell();
	return true;
}

static void run(long per_second)
{
	uint64_t begun = now_ns(), checked = begun, asked = 0, started = 0;

	for (bool on = true; on || under_way;) {
		uint64_t now = now_ns();
		double elapsed = (now - begun) / 1e9;

		for (; on && started < elapsed * per_second; started++)
			begin(free_slot(), ONCE, started % target_count);
		for (; on && asked < elapsed * ASKED_PER_SECOND * long_count; asked++)
			ask(&slots[asked % long_count]);
		/* Nothing is late that was answered while we had to wait for a CPU. */
		if (hear_all(1) && now - checked > CHECK_NS) {
			checked = now;
			give_up_on_late(now);
		}
		if (on && spoken_to)
			on = obey();
	}
}

int main(int argc, char **argv)
{
	struct epoll_event input = {.events = EPOLLIN, .data.u32 = SLOTS};
	struct rlimit files;
	cpu_set_t set;

	if (argc != 4 || (long_count = atol(argv[3])) < 0 || long_count > SLOTS / 2) {
		fprintf(stderr, "usage: traffic FILE PER_SECOND LONG\n");
		return 2;
	}
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	read_targets(argv[1]);
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input))
		fail("traffic: stdin");
	for (long at = 0; at < long_count; at++)
		begin(&slots[at], OPENING, at % target_count);
	while (under_way) {
		if (hear_all(10))
			give_up_on_late(now_ns());
	}
	tell();
	run(atol(argv[2]));
	tell();
	return 0;
}
