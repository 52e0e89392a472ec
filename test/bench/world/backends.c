// SPDX-License-Identifier: Apache-2.0
/* Backends: answers on PORT of every address with the address that was reached. When it is told `refuse ADDRESS` it resets new
 * connections to it from then on, and keeps those that there are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measured.h"

#define MOST_REFUSED 1024

static void answer(int fd, uint32_t times)
{
	struct sockaddr_in reached;
	socklen_t size = sizeof(reached);

	if (getsockname(fd, (struct sockaddr *)&reached, &size))
		return;
	while (times--)
		if (send(fd, &reached.sin_addr.s_addr, sizeof(uint32_t), MSG_NOSIGNAL) < 0)
			return;
}

static uint32_t refused[MOST_REFUSED];
static int refusals;

/* Says so when new connections to the address on stdin are reset from now on. */
static void refuse(void)
{
	char said[64] = {}, address[32];
	ssize_t got = read(STDIN_FILENO, said, sizeof(said) - 1);

	if (got <= 0 || sscanf(said, "refuse %31s", address) != 1 || refusals == MOST_REFUSED)
		exit(got <= 0 ? 0 : 2);
	refused[refusals++] = endpoint(address, 0).sin_addr.s_addr;
	printf("{\"refused\":%d}\n", refusals);
	fflush(stdout);
}

static bool is_refused(int fd)
{
	struct sockaddr_in reached;
	socklen_t size = sizeof(reached);

	if (!refusals || getsockname(fd, (struct sockaddr *)&reached, &size))
		return false;
	for (int at = 0; at < refusals; at++)
		if (refused[at] == reached.sin_addr.s_addr)
			return true;
	return false;
}

static void welcome(int poll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	struct linger none = {.l_onoff = 1};

	if (is_refused(fd)) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		close(fd);
		return;
	}
	epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
	answer(fd, 1);
}

static int serve(int port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct epoll_event event = {.events = EPOLLIN}, ready[64];
	int one = 1, fd, poll = epoll_create1(EPOLL_CLOEXEC);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char asked[64];
	ssize_t got;

	pin(false);
	real_time(true);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	event.data.fd = listener;
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 4096) ||
	    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event)) {
		perror("backends: listen");
		return 1;
	}
	event.data.fd = STDIN_FILENO;
	if (epoll_ctl(poll, EPOLL_CTL_ADD, STDIN_FILENO, &event)) {
		perror("backends: stdin");
		return 1;
	}
	printf("{\"listening\":%d}\n", port);
	fflush(stdout);
	for (;;) {
		int events = epoll_wait(poll, ready, 64, -1);

		for (int index = 0; index < events; index++) {
			if (ready[index].data.fd == listener) {
				while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
					welcome(poll, fd);
				continue;
			}
			if (ready[index].data.fd == STDIN_FILENO) {
				refuse();
				continue;
			}
			fd = ready[index].data.fd;
			got = recv(fd, asked, sizeof(asked), 0);
			if (got > 0)
				answer(fd, got);
			else if (got == 0 || errno != EAGAIN)
				close(fd);
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return serve(atoi(argv[1]));
	fprintf(stderr, "usage: backends PORT\n");
	return 2;
}
