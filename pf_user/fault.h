/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fault - takes a fault line apart. */
#ifndef PF_USER_FAULT_H
#define PF_USER_FAULT_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned long long u64;

#define FAULT_SLACK	8
#define REGIONS		8		/* the last one is for unknown words */

extern const char *const region_names[REGIONS];

/* RESULT_UNKNOWN: the line has no result; RESULT_NEW: its result is an unknown word. */
enum result { RESULT_UNKNOWN, RESULT_MINOR, RESULT_MAJOR, RESULT_FAILED, RESULT_NEW, RESULTS };

/* The text from ` region=` to the end of the mapping, without the digits of the latency. */
struct fault_tail {
	size_t front_len, back_len;	/* before and after the digits; 0 if there is none */
	size_t map_len;			/* of the mapping at the end of the text */
	int region;
	enum result result;
	char text[256];
};

struct fault {
	u64 pid, address;
	u64 time_ns, latency_ns;	/* the begin; 0 without outcome=1 */
	int region;			/* an index, -1 if the line has none */
	enum result result;
	const char *tid;		/* in the line, up to a blank or newline; NULL: none */
	const char *map;		/* in the line, escaped as there; NULL: none */
	size_t map_len;
	bool same_map;			/* the same as in the latest line that had one */

	/* From the latest line; the next one is usually the same there. */
	size_t region_at;		/* the position of ` region=` */
	char beginning[39];		/* up to the address, with a PID of the usual width */
	u64 high, high_text;		/* the first digits of the address, as number and text */
	u64 time_high, time_high_text;	/* the same of the time */
	struct fault_tail tail;
};

/**
 * fault_parse() - Take a fault line apart.
 * @f: the result; all 0 before the first line, unchanged before each other line
 * @line: the line from the kernel
 * @len: its length, with the newline. FAULT_SLACK bytes after that must be readable
 *
 * Return: false if it is not a whole fault line
 */
bool fault_parse(struct fault *f, const char *line, size_t len);

/* The address of the instruction, if the line, which is still there, has one. */
bool fault_ip(const struct fault *f, u64 *ip);

/* When it ended; without a latency, when it began. */
static inline u64 fault_end_ns(const struct fault *f)
{
	return f->time_ns + f->latency_ns;
}

#endif
