// SPDX-License-Identifier: GPL-2.0-or-later
/* A command's status is known, its signals are those that we got, and it has no right of root's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/securebits.h>
#include <stdlib.h>

#include "tap.h"

#include "pf_user/command.c"
#include "pf_user/owner.c"
#include "pf_user/say.c"
#include "pf_user/stop.c"
#include "pf_user/terminal.c"

struct options opt;

#define USER	65534

static int status_of(char **argv, bool stay_root)
{
	struct command c = { 0 };
	int status = command_start(&c, argv, stay_root);

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
		_exit(status_of(argv, !getenv("SUDO_UID")));
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Children of a command may go on when it has ended: then a signal ends the recording in order. */
static bool signal_is_ours_after_the_end(char **argv)
{
	struct command c = { 0 };
	unsigned long long end_ns = 0;
	pid_t pid = fork();
	int status;

	if (pid)
		return waitpid(pid, &status, 0) == pid && !status;
	catch_stops(true);
	if (command_start(&c, argv, true) || stop_command_end_ns() || command_go(&c))
		_exit(1);
	for (int i = 0; !end_ns && i < 1000; i++) {
		wait_for(NULL, 0, 10);
		end_ns = stop_command_end_ns();
	}
	if (end_ns <= c.go_ns || end_ns / 1000000 > now_ms())
		_exit(2);
	raise(SIGTERM);
	if (end_signal != SIGTERM || stop_signal)
		_exit(3);
	raise(SIGTERM);
	_exit(stop_signal == SIGTERM && command_wait(&c) == 3 ? 0 : 4);
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

static void be_sudo(void)
{
	setenv("SUDO_UID", "65534", 1);
	setenv("SUDO_GID", "65534", 1);
}

/* All capabilities in all sets, kept even if the user changes. */
static void keep_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct all[_LINUX_CAPABILITY_U32S_3];

	syscall(SYS_capget, &head, all);
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		all[i].inheritable = all[i].permitted;
	if (syscall(SYS_capset, &head, all) ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) ||
	    prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
		_exit(9);
	be_sudo();
}

static void have_groups(void)
{
	gid_t groups[] = { 0, 4242 };

	setgroups(2, groups);
	be_sudo();
}

/* What the process itself opens, and a file that whoever has started us passes on, as 7. */
static void open_files(void)
{
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	dup2(open("/dev/null", O_RDONLY), 7);
	close(3);
	be_sudo();
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
	char **capable = COMMAND("grep", "-qE", "^Cap(Inh|Prm|Eff|Amb):.*[1-9a-f]", STATUS);
	char **grouped = COMMAND("grep", "-qE", "^Groups:.*\\<(0|4242)\\>", STATUS);
	/* And the descriptor of the folder itself, 3. */
	char **files = COMMAND("sh", "-c", "set -- $(ls /proc/self/fd); [ \"$*\" = '0 1 2 3 7' ]");

	setbuf(stdout, NULL);
	ok(status_after(leave_as_it_is, exit_3) == 3, "a command's status");
	ok(status_after(ignore_children, exit_3) == 3, "the status if SIGCHLD was ignored");
	ok(status_after(ignore_children, ignores) == 0, "which the command then ignores");
	ok(status_after(leave_as_it_is, ignores) == 1, "and else does not");
	ok(status_after(block_sigterm, blocks) == 0, "what was blocked is blocked in the command");
	ok(status_after(leave_as_it_is, blocks) == 1, "and else is not");
	ok(signal_is_ours_after_the_end(exit_3), "when it has ended, signals are ours");
	if (getuid()) {
		ok(true, "the rest # SKIP not root");
		return tap_done();
	}
	ok(status_after(be_sudo, capable) == 1, "no capability is left");
	ok(status_after(keep_capabilities, capable) == 1, "nor where they are to be kept");
	ok(status_after(have_groups, grouped) == 1, "and no group of root's");
	ok(status_after(open_files, files) == 0, "files are those that were passed on");
	return tap_done();
}
