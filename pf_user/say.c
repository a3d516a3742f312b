// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

static struct {
	bool on, shown;
	unsigned long long next_ms;
} progress;

unsigned long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

void progress_begin(void)
{
	progress.on = isatty(STDERR_FILENO) && !opt.debug && !opt.command && !opt.top;
	progress.next_ms = now_ms() + 1000;
}

void progress_show(unsigned long long nr_faults)
{
	unsigned long long now;

	if (!progress.on || (now = now_ms()) < progress.next_ms)
		return;
	fprintf(stderr, "\r%llu page faults read", nr_faults);
	progress.shown = true;
	progress.next_ms = now + 200;
}

void progress_clear(void)
{
	if (progress.shown)
		fputs("\r\033[K", stderr);
	progress.shown = false;
}

void (*say_before)(void);

void say(const char *fmt, ...)
{
	va_list args;

	progress_clear();
	if (say_before)
		say_before();
	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
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
