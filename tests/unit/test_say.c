// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages reach a terminal whose output the command has stopped, and one's own Ctrl-S holds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tap.h"

#include "pf_user/say.c"
#include "pf_user/stop.c"

struct options opt;

static void stop_by_program(int master)
{
	(void)master;
	tcflow(STDERR_FILENO, TCOOFF);
}

static void stop_by_key(int master)
{
	struct timespec moment = { .tv_nsec = 1000000 };
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (write(master, "\023", 1) != 1)
		_exit(2);
	/* The key takes effect when the kernel comes to it. */
	while (poll(&pfd, 1, 0) > 0)
		nanosleep(&moment, NULL);
}

/* Is a message seen within `seconds`, in a terminal that is stopped so? */
static bool is_seen(void (*stop)(int master), int seconds)
{
	static char *command[] = { (char *)"true", NULL };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct pollfd pfd = { .fd = master, .events = POLLIN };
	bool seen;
	pid_t pid;

	if (master < 0 || grantpt(master) || unlockpt(master))
		return false;
	pid = fork();
	if (!pid) {
		setsid();
		dup2(open(ptsname(master), O_RDWR), STDERR_FILENO);
		catch_stops(true);
		opt.command = command;
		stop(master);
		say("seen");
		/* If it goes, what was written but not read goes with it. */
		pause();
		_exit(0);
	}
	seen = poll(&pfd, 1, 1000 * seconds) > 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(master);
	return seen;
}

int main(void)
{
	ok(is_seen(stop_by_program, 10), "a message in a terminal that a program has stopped");
	ok(!is_seen(stop_by_key, 1), "but none where the user has stopped it");
	return tap_done();
}
