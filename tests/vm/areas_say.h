/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the program areas.c knows about its own address space, as lines that areas_check.c compares
 * with a log. Names are escaped as in a log.
 *
 *	RANGE PID NAME START END FROM TO MAP OFFSET TOUCHES
 *		code, between two moments in ns; MAP is the file's path, or anon; TOUCHES is how many
 *		faults its instructions have caused since FROM, or since the program was stopped
 *	AREA PID TIME LINE	a line of /proc/PID/maps at that moment; 0: at the end of the log
 *	NAME PID TID TIME NAME	a thread's name at that moment
 *	REGION PID START END REGION TOUCHES
 *		memory whose faults must have this region
 */
#ifndef AREAS_SAY_H
#define AREAS_SAY_H

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define RANGES_MAX 8192
#define NO_FILE "anon"
#define FOREVER UINT64_MAX
/* Touches that are not counted. */
#define UNCOUNTED (-1L)

struct range {
	pid_t pid;
	const char *name;
	const char *start, *end;
	uint64_t from_ns, to_ns;
	char map[100]; /* escaped */
	uint64_t offset;
	long touches;
};

static struct range ranges[RANGES_MAX];
static int nr_ranges;
static int said = -1; /* the file for all these lines, opened for appending */

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Several processes write to the file at the same time, each a line at once. */
static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	char line[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (len >= (int)sizeof(line) || write(said, line, len) != len)
		err(1, "writing a line");
}

/* Spaces are all that must be escaped in the names used here. */
static void escape(char *to, size_t size, const char *from)
{
	size_t len = 0;

	for (; *from && len + 5 < size; from++) {
		if (*from == ' ')
			len += snprintf(to + len, size - len, "\\%03o", *from);
		else
			to[len++] = *from;
	}
	to[len] = '\0';
}

static struct range *begin_range_of(pid_t pid, const char *name, const void *start, size_t size,
				    const char *map, uint64_t offset)
{
	int nr = __atomic_fetch_add(&nr_ranges, 1, __ATOMIC_RELAXED);
	struct range *r = &ranges[nr];

	if (nr >= RANGES_MAX)
		errx(1, "too many ranges");
	*r = (struct range){ .pid = pid, .name = name, .start = start,
			     .end = (const char *)start + size, .to_ns = FOREVER,
			     .offset = offset };
	escape(r->map, sizeof(r->map), map);
	r->from_ns = now_ns();
	return r;
}

/* Call it after the code has been mapped; end_range() before the code is unmapped or changed. */
static struct range *begin_range(const char *name, const void *start, size_t size, const char *map,
				 uint64_t offset)
{
	return begin_range_of(getpid(), name, start, size, map, offset);
}

static inline void end_range(struct range *r)
{
	r->to_ns = now_ns();
}

/* In a process that has just been forked: what it has from its parent is its own from now on. */
static inline void inherit_ranges(void)
{
	int nr = 0;

	for (int i = 0; i < nr_ranges; i++) {
		if (ranges[i].to_ns != FOREVER)
			continue;
		ranges[nr] = ranges[i];
		ranges[nr].pid = getpid();
		ranges[nr].from_ns = now_ns();
		if (ranges[nr].touches != UNCOUNTED)
			ranges[nr].touches = 0;
		nr++;
	}
	nr_ranges = nr;
}

/* If the variable AREAS_STOP is set, stops; the test continues it. */
static inline void stop_here(void)
{
	if (!getenv("AREAS_STOP"))
		return;
	raise(SIGSTOP);
	for (int i = 0; i < nr_ranges; i++)
		if (ranges[i].touches != UNCOUNTED)
			ranges[i].touches = 0;
}

static void say_ranges(void)
{
	for (int i = 0; i < nr_ranges; i++) {
		const struct range *r = &ranges[i];

		say("RANGE %d %s %p %p %llu %llu %s 0x%llx %ld\n", r->pid, r->name,
		    (void *)r->start, (void *)r->end, (unsigned long long)r->from_ns,
		    (unsigned long long)r->to_ns, r->map, (unsigned long long)r->offset, r->touches);
	}
}

/* The executable lines of /proc/self/maps; all, if the variable AREAS_ALL is set. */
static void say_areas(void)
{
	static char text[4 << 20];
	bool all = getenv("AREAS_ALL");
	int fd = open("/proc/self/maps", O_RDONLY);
	size_t len = 0;
	ssize_t got;
	uint64_t time_ns;

	/* Twice: the buffer's own pages may be new areas' neighbours, but they exist from now on. */
	for (int round = 0; round < 2; round++) {
		len = 0;
		lseek(fd, 0, SEEK_SET);
		while ((got = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
			len += got;
		text[len] = '\0';
	}
	time_ns = now_ns();
	close(fd);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char prot[5];

		if (sscanf(line, "%*x-%*x %4s", prot) == 1 && (all || prot[2] == 'x'))
			say("AREA %d %llu %s\n", getpid(), (unsigned long long)time_ns, line);
	}
}

static inline void say_name(pid_t tid, const char *name)
{
	char escaped[100];

	escape(escaped, sizeof(escaped), name);
	say("NAME %d %d %llu %s\n", getpid(), tid, (unsigned long long)now_ns(), escaped);
}

/* At the end of a mode. Not in a process that shares its memory with another one. */
static void say_all(void)
{
	for (int i = 0; i < nr_ranges; i++)
		if (ranges[i].to_ns == FOREVER)
			end_range(&ranges[i]);
	say_ranges();
	say_areas();
}

#endif /* AREAS_SAY_H */
