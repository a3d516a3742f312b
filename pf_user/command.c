// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "owner.h"
#include "say.h"
#include "stop.h"
#include "terminal.h"

/* Why the child did not exec; it writes this to a pipe. */
struct failure {
	int err;
	enum { AT_USER, AT_TERMINAL, AT_EXEC } at;
};

static int set_home(uid_t uid)
{
	const struct passwd *pw = getpwuid(uid);

	return pw && (setenv("HOME", pw->pw_dir, 1) || setenv("USER", pw->pw_name, 1) ||
		      setenv("LOGNAME", pw->pw_name, 1)) ? -1 : 0;
}

/* In the child. If the parent dies, the pipe ends, and so does the child. */
static void __attribute__((noreturn)) run(char **argv, bool stay_root, int go_fd, int failure_fd)
{
	struct failure failure = { 0 };
	uid_t uid;
	gid_t gid;
	char go;

	restore_signals();
	if (stay_root || !sudo_user(&uid, &gid))
		uid = gid = 0;
	if (uid && terminal_protect()) {
		failure.err = errno;
		failure.at = AT_TERMINAL;
	} else if (!stay_root && (set_home(uid) || owner_become(uid, gid))) {
		failure.err = errno;
	} else {
		if (read(go_fd, &go, 1) != 1)
			_exit(EXIT_OURSELVES);
		execvp(*argv, argv);
		failure.err = errno;
		failure.at = AT_EXEC;
	}
	if (write(failure_fd, &failure, sizeof(failure)) < 0)
		_exit(EXIT_OURSELVES);
	_exit(EXIT_NOT_EXECUTABLE);
}

/* Waits for the end of the exec. Returns true then. Signals before that are passed on. */
static bool wait_for_exec(pid_t pid)
{
	int status;

	for (;;) {
		int sig;

		if (waitpid(pid, &status, 0) < 0) {
			if (errno == EINTR)
				continue;
			return false;
		}
		if (!WIFSTOPPED(status))
			return false;
		if (status >> 16 == PTRACE_EVENT_EXEC)
			return true;
		sig = status >> 16 ? 0 : WSTOPSIG(status);
		ptrace(PTRACE_CONT, pid, NULL, (void *)(long)sig);
	}
}

/* Fields 10 to 13 of /proc/PID/stat, which exists until the process has been waited for. */
static void count_faults(pid_t pid, struct fault_counts *counts)
{
	unsigned long long minor = 0, child_minor = 0, major = 0, child_major = 0;
	char path[64], line[1024], *rest = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file && fgets(line, sizeof(line), file))
		rest = strrchr(line, ')');
	if (rest)
		sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %llu %llu %llu %llu", &minor,
		       &child_minor, &major, &child_major);
	if (file)
		fclose(file);
	counts->own = minor + major;
	counts->children = child_minor + child_major;
}

int command_start(struct command *c, char **argv, bool stay_root)
{
	int go[2], failures[2], status = EXIT_OURSELVES;
	struct failure failure;

	if (pipe2(go, O_CLOEXEC) || pipe2(failures, O_CLOEXEC)) {
		say("%s: %s", *argv, strerror(errno));
		return EXIT_OURSELVES;
	}
	fflush(NULL);
	c->pid = fork();
	if (!c->pid) {
		close(go[1]);
		close(failures[0]);
		run(argv, stay_root, go[0], failures[1]);
	}
	close(go[0]);
	close(failures[1]);
	if (c->pid < 0) {
		say("%s: %s", *argv, strerror(errno));
	} else if (ptrace(PTRACE_SEIZE, c->pid, NULL,
			  (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC))) {
		say("%s: cannot be held before it starts: %s", *argv, strerror(errno));
		command_kill(c);
	} else if (write(go[1], "", 1) == 1 && wait_for_exec(c->pid)) {
		c->held = true;
		status = 0;
		count_faults(c->pid, &c->at_start);
		pass_stops_to(c->pid);
	} else if (read(failures[0], &failure, sizeof(failure)) != sizeof(failure)) {
		say("%s: ended before its first instruction", *argv);
	} else if (failure.at == AT_TERMINAL) {
		say("%s: cannot be prevented from typing into this terminal: %s; use a session without it: "
		    "setsid -w %s ...", *argv, strerror(failure.err), program_invocation_name);
	} else {
		say("%s: %s", *argv, strerror(failure.err));
		if (failure.at == AT_EXEC)
			status = failure.err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	}
	close(go[1]);
	close(failures[0]);
	return status;
}

int command_go(struct command *c)
{
	c->go_ns = now_ns();
	if (ptrace(PTRACE_DETACH, c->pid, NULL, NULL)) {
		say("PID %d: ended before its first instruction", c->pid);
		return -1;
	}
	c->held = false;
	return 0;
}

void command_kill(struct command *c)
{
	pass_stops_to(0);
	kill(c->pid, SIGKILL);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

bool command_has_ended(const struct command *c)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT | WNOHANG) && info.si_pid;
}

int command_wait(struct command *c)
{
	struct fault_counts now;
	siginfo_t info = { 0 };
	int status;

	/* Not waitpid() yet: a signal passed on to this PID must not reach another process. */
	while (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		if (stop_signal)
			return 128 + stop_signal;
	pass_stops_to(0);
	count_faults(c->pid, &now);
	debug("the kernel counted %llu faults of PID %d since its exec, %llu of its children",
	      now.own - c->at_start.own, c->pid, now.children - c->at_start.children);
	if (waitpid(c->pid, &status, 0) != c->pid) {
		say("PID %d: %s", c->pid, strerror(errno));
		return EXIT_OURSELVES;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
