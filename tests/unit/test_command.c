// SPDX-License-Identifier: GPL-2.0-or-later
/* A command's status is known, and its signals are those of whoever has started us. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "tap.h"

#include "pf_user/command.c"
#include "pf_user/owner.c"
#include "pf_user/say.c"
#include "pf_user/stop.c"
#include "pf_user/terminal.c"

struct options opt;

static int status_of(char **argv)
{
	struct command c = { 0 };
	int status = command_start(&c, argv, true);

	return status || command_go(&c) ? EXIT_OURSELVES : command_wait(&c);
}

/* In a process that got its signals as `prepare` leaves them. */
static int status_after(void (*prepare)(void), char **argv)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		prepare();
		catch_stops(true);
		_exit(status_of(argv));
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void leave_as_it_is(void)
{
}

static void ignore_children(void)
{
	signal(SIGCHLD, SIG_IGN);
}

static void block_sigterm(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

#define COMMAND(...)	((char *[]) { __VA_ARGS__, NULL })
#define STATUS		"/proc/self/status"

int main(void)
{
	char **exit_3 = COMMAND("sh", "-c", "exit 3");
	/* Signals 17 and 15. By grep itself: a shell changes them. */
	char **ignores = COMMAND("grep", "-q", "^SigIgn:.*[13579bdf]....$",
				 STATUS);
	char **blocks = COMMAND("grep", "-q", "^SigBlk:.*[4567cdef]...$",
				STATUS);

	setbuf(stdout, NULL);
	ok(status_after(leave_as_it_is, exit_3) == 3, "a command's status");
	ok(status_after(ignore_children, exit_3) == 3, "the status if SIGCHLD was ignored");
	ok(status_after(ignore_children, ignores) == 0, "which the command then ignores");
	ok(status_after(leave_as_it_is, ignores) == 1, "and else does not");
	ok(status_after(block_sigterm, blocks) == 0, "what was blocked is blocked in the command");
	ok(status_after(leave_as_it_is, blocks) == 1, "and else is not");
	return tap_done();
}
