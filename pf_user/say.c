// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "say.h"
#include "stop.h"

#define POLL_MS	1000	/* not longer: a signal may arrive just before poll() */

#define SHOW_MS		200	/* between two lines of progress */
#define RATE_MS		1000	/* the time over which a rate is measured */

static struct {
	bool on, shown;
	unsigned long long next_ms;
	unsigned long long rate, rated_ms, rated_nr;	/* the rate, and what it was measured from */
} progress;

unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec;
}

unsigned long long now_ms(void)
{
	return now_ns() / 1000000;
}

void progress_begin(void)
{
	unsigned long long now = now_ms();

	progress.on = isatty(STDERR_FILENO) && !opt.debug && !opt.top;
	progress.next_ms = now + RATE_MS;
	progress.rated_ms = now;
	progress.rate = progress.rated_nr = 0;
}

void progress_show(unsigned long long nr_faults)
{
	unsigned long long now;

	/* While a command runs, the terminal is the command's. */
	if (!progress.on || (opt.command && !stop_command_end_ns()))
		return;
	now = now_ms();
	if (opt.command && !progress.shown &&
	    progress.next_ms < stop_command_end_ns() / 1000000 + RATE_MS)
		progress.next_ms = stop_command_end_ns() / 1000000 + RATE_MS;
	if (now < progress.next_ms)
		return;
	if (now - progress.rated_ms >= RATE_MS) {
		progress.rate = (nr_faults - progress.rated_nr) * 1000 / (now - progress.rated_ms);
		progress.rated_ms = now;
		progress.rated_nr = nr_faults;
	}
	fprintf(stderr, "\r%llu page faults read, %llu a second\033[K", nr_faults, progress.rate);
	progress.shown = true;
	progress.next_ms = now + SHOW_MS;
}

void progress_clear(void)
{
	if (progress.shown)
		fputs("\r\033[K", stderr);
	progress.shown = false;
}

void (*say_before)(void);

/*
 * TCOON does not undo a Ctrl-S of the user. In the background, tcflow() sends SIGTTOU, which would
 * stop us if it is not ignored.
 */
static void start_output(int fd)
{
	struct sigaction act;

	if (opt.command && isatty(fd) && !sigaction(SIGTTOU, NULL, &act) &&
	    act.sa_handler == SIG_IGN)
		tcflow(fd, TCOON);
}

size_t write_all(int fd, const char *text, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	size_t done = 0;

	while (done < len) {
		ssize_t now;

		start_output(fd);
		now = write(fd, text + done, len - done);
		if (now >= 0) {
			done += (size_t)now;
			continue;
		}
		if (errno == EAGAIN)
			poll(&pfd, 1, POLL_MS);
		else if (errno != EINTR)
			break;
		if (nr_stops > 1) {
			errno = EINTR;
			break;
		}
	}
	return done;
}

/* fopencookie() wants 0, not -1, after an error. */
static ssize_t write_cookie(void *cookie, const char *text, size_t len)
{
	return write_all((int)(long)cookie, text, len) == len ? (ssize_t)len : 0;
}

FILE *open_to_write_all(int fd)
{
	cookie_io_functions_t functions = { .write = write_cookie };

	return need(fopencookie((void *)(long)fd, "w", functions));
}

void hide_controls(char *text, size_t len)
{
	char before = '\0';

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (is_control(c, before))
			text[i] = '?';
		before = c;
	}
}

/* Written in one piece, so that the text of other programs does not get into the line. */
void say(const char *fmt, ...)
{
	char *text, *line;
	va_list args;
	int len;

	progress_clear();
	if (say_before)
		say_before();
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	len = asprintf(&line, "%s: %s\n", program_invocation_short_name,
		       text ? text : strerror(ENOMEM));
	if (len >= 0) {
		hide_controls(line, (size_t)len - 1);
		write_all(fileno(stderr), line, (size_t)len);
		free(line);
	}
	free(text);
}

int complain(const char *name, const char *why)
{
	say("%s: %s", name, why);
	return -1;
}

void *need(void *mem)
{
	if (!mem) {
		say("%s", strerror(ENOMEM));
		exit(1);
	}
	return mem;
}

char *format(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	return need(text);
}
