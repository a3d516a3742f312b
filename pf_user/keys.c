// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "keys.h"

static struct termios usual;		/* valid while is_taken */
static int terminal = -1;
static volatile bool is_taken;

static bool in_foreground(void)
{
	return terminal >= 0 && tcgetpgrp(terminal) == getpgrp();
}

bool keys_in_background(void)
{
	return terminal >= 0 && !in_foreground();
}

bool keys_begin(int fd)
{
	char path[32];

	/* A file description of our own: O_NONBLOCK must not be shared with the shell. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	terminal = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (terminal >= 0 && tcgetpgrp(terminal) < 0)
		keys_end();
	return terminal >= 0;
}

/*
 * The view's signal handlers also give the terminal back, so they have to wait. In the background,
 * which may begin at any time, a change would stop us: with SIGTTOU blocked it fails instead.
 */
static void change(bool take)
{
	struct termios settings;
	sigset_t all, old;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	if (take && in_foreground() && !tcgetattr(terminal, &settings)) {
		if (!is_taken)
			usual = settings;
		is_taken = true;
		/* Ctrl-C, Ctrl-Z and Ctrl-S keep their meaning. */
		settings.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		settings.c_cc[VMIN] = 1;
		settings.c_cc[VTIME] = 0;
		tcsetattr(terminal, TCSANOW, &settings);
	} else if (!take && is_taken) {
		is_taken = false;
		if (in_foreground())
			tcsetattr(terminal, TCSANOW, &usual);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
}

void keys_take(void)
{
	change(true);
}

void keys_give_back(void)
{
	change(false);
}

int keys_fd(void)
{
	return is_taken && in_foreground() ? terminal : -1;
}

size_t keys_read(char *bytes, size_t size)
{
	sigset_t stop, old;
	ssize_t got;

	if (keys_fd() < 0)
		return 0;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTTIN);
	sigprocmask(SIG_BLOCK, &stop, &old);
	got = read(terminal, bytes, size);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (!got || (got < 0 && errno != EAGAIN && errno != EINTR && in_foreground()))
		keys_end();	/* the terminal has gone: do not wait for it */
	return got > 0 ? (size_t)got : 0;
}

void keys_end(void)
{
	keys_give_back();
	if (terminal >= 0)
		close(terminal);
	terminal = -1;
}
