/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fault - one fault line as numbers and words. */
#ifndef PF_USER_FAULT_H
#define PF_USER_FAULT_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned long long u64;

#define FAULT_SLACK	8
#define REGIONS		8		/* the last one is for words that aren't known */

extern const char *const region_names[REGIONS];

/* RESULT_UNKNOWN: the line has none; RESULT_NEW: it has a word of which nothing is known. */
enum result { RESULT_UNKNOWN, RESULT_MINOR, RESULT_MAJOR, RESULT_FAILED, RESULT_NEW, RESULTS };

/* From ` region=` to the end of the mapping, but for the latency's digits in between. */
struct fault_tail {
	size_t front_len, back_len;	/* 0 if nothing is kept; 0 if there is no latency */
	size_t map_len;			/* with which the text ends, 0 if nothing is kept */
	int region;
	enum result result;
	char text[256];
};

struct fault {
	u64 pid, address;
	u64 time_ns, latency_ns;	/* of its begin; 0 if it was not watched */
	int region;			/* an index, -1 if the line tells none */
	enum result result;
	const char *tid;		/* in the line, up to a blank or its end; NULL if it tells none */
	const char *map;		/* in the line, as escaped there; NULL if it tells none */
	size_t map_len;
	bool same_map;			/* as of the latest line before that had one */

	/* Of the latest line, for the next, which mostly is the same there. */
	size_t region_at;		/* where ` region=` was */
	char beginning[39];		/* up to the address, with the usual width of the number */
	u64 high, high_text;		/* the first digits of the address, and as in the line */
	u64 time_high, time_high_text;	/* and of the time */
	struct fault_tail tail;
};

/**
 * fault_parse() - Take a fault line apart.
 * @f: what is in it; all 0 before the first line, as it was left before each further one
 * @line: as the kernel wrote it
 * @len: with the newline, behind which FAULT_SLACK bytes can be read, whatever they are
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
