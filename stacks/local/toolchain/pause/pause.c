// SPDX-License-Identifier: Apache-2.0
// Holds a Pod's namespaces open: waits for ever, ends when told to, and reaps processes it inherits as PID 1.

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal)
{
	(void)signal;
	_exit(0);
}

static void reap(int signal)
{
	int saved = errno;

	(void)signal;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved;
}

int main(int argc, char **argv)
{
	struct sigaction ends = { .sa_handler = end };
	struct sigaction reaps = { .sa_handler = reap, .sa_flags = SA_NOCLDSTOP };

	/* kubeadm judges a cluster before an upgrade by a Job of this image, which has to end well. */
	if (argc == 2 && !strcmp(argv[1], "-v"))
		return 0;
	if (sigaction(SIGINT, &ends, NULL) || sigaction(SIGTERM, &ends, NULL) || sigaction(SIGCHLD, &reaps, NULL))
		return 1;
	for (;;)
		pause();
}
