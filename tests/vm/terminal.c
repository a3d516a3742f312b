// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	terminal COMMAND...
 *	terminal --take COMMAND...
 *	terminal --type TEXT
 *	terminal --halt COMMAND...
 *
 * For the guest tests: runs a command in the foreground of a new terminal, as a shell would.
 * Standard input is typed there (Ctrl-C is \003), and the terminal's output goes to standard
 * output, with a line `terminal: stopped` when the command is stopped. Exits with the command's
 * exit status. --take: runs a command that takes the foreground of the existing terminal, so that
 * others that write to it are stopped. --type: tries to type TEXT into the terminal, for the shell
 * to read. --halt: stops the terminal's output, then runs a command.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/*
 * The session's shell: without one, the process group would be orphaned and could not be stopped.
 */
static int lead(const char *name, char **command)
{
	int status, fd;
	pid_t pid;

	setsid();
	fd = open(name, O_RDWR);
	if (fd < 0)
		err(2, "%s", name);
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (!pid) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(STDIN_FILENO, getpid());
		signal(SIGTTOU, SIG_DFL);
		/* A shell script ignores these in background jobs. */
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		execvp(*command, command);
		err(2, "%s", *command);
	}
	signal(SIGTTOU, SIG_IGN);
	while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status))
		dprintf(STDOUT_FILENO, "terminal: stopped\n");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Returns 0 at the end of file. */
static int copy(int from, int to)
{
	char text[4096];
	ssize_t len = read(from, text, sizeof(text));

	if (len > 0 && write(to, text, (size_t)len) != len)
		err(2, "write");
	return len > 0;
}

static void take(char **command)
{
	struct termios settings;

	signal(SIGTTOU, SIG_IGN);
	if (setpgid(0, 0) || tcgetattr(STDIN_FILENO, &settings))
		err(2, "no terminal to take");
	settings.c_lflag |= TOSTOP;
	if (tcsetpgrp(STDIN_FILENO, getpid()) || tcsetattr(STDIN_FILENO, TCSANOW, &settings))
		err(2, "the terminal can't be taken");
	execvp(*command, command);
	err(2, "%s", *command);
}

static void type(const char *text)
{
	for (; *text; text++)
		if (ioctl(STDIN_FILENO, TIOCSTI, text))
			err(2, "TIOCSTI");
}

static void halt(char **command)
{
	if (tcflow(STDIN_FILENO, TCOOFF))
		err(2, "TCOOFF");
	execvp(*command, command);
	err(2, "%s", *command);
}

int main(int argc, char **argv)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status;
	struct pollfd fds[] = {
		{ .fd = master, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	pid_t pid;

	if (argc < 2)
		errx(2, "usage: terminal COMMAND...");
	if (argc > 2 && !strcmp(argv[1], "--take"))
		take(argv + 2);
	if (argc > 2 && !strcmp(argv[1], "--halt"))
		halt(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "--type")) {
		type(argv[2]);
		return 0;
	}
	if (master < 0 || grantpt(master) || unlockpt(master))
		err(2, "no terminal");
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (!pid)
		_exit(lead(ptsname(master), argv + 1));
	while (poll(fds, 2, -1) > 0 || errno == EINTR) {
		if (fds[1].revents && !copy(STDIN_FILENO, master))
			fds[1].fd = -1;
		/* Reading fails once no process has the terminal open. */
		if (fds[0].revents && !copy(master, STDOUT_FILENO))
			break;
	}
	if (waitpid(pid, &status, 0) != pid)
		err(2, "waitpid");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
