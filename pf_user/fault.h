/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fault - one fault line as numbers and words. */
#ifndef PF_USER_FAULT_H
#define PF_USER_FAULT_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned long long u64;

#define REGIONS		8		/* the last one is for words that aren't known */

extern const char *const region_names[REGIONS];

enum result { RESULT_UNKNOWN, RESULT_MINOR, RESULT_MAJOR, RESULT_FAILED };

struct fault {
	u64 pid, address;
	u64 time_ns, latency_ns;	/* of its begin; 0 if it was not watched */
	int region;			/* an index, -1 if the line tells none */
	enum result result;
	const char *tid;		/* in the line, up to a blank or its end; NULL if it tells none */
	const char *map;		/* in the line, as escaped there; NULL if it tells none */
	size_t map_len;
	size_t region_at;		/* where ` region=` was in the latest line, for the next */
};

/**
 * fault_parse() - Take a fault line apart.
 * @f: what is in it; from one line to the next it remembers @region_at
 * @line: as the kernel wrote it
 * @len: with the newline, beyond which nothing is read
 *
 * Return: false if it is no whole fault line
 */
bool fault_parse(struct fault *f, const char *line, size_t len);

/* When it ended, as far as that is known. */
static inline u64 fault_end_ns(const struct fault *f)
{
	return f->time_ns + f->latency_ns;
}

#endif
