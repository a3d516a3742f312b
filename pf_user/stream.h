/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream - what is read from /proc/pf_probe_X, and how it becomes a log
 *
 * A stream is a head line, fault lines, a summary line, EXIT_CODE and an end of file: one drain.
 * Reading on gives the next drain: what came since, a new summary, EXIT_CODE. The log has the lines
 * as read, the fault lines numbered, the latest summary last and no EXIT_CODE.
 */
#ifndef PF_USER_STREAM_H
#define PF_USER_STREAM_H

#include <stdbool.h>

#include "log.h"

#define STREAM_BUFFER_SIZE	(256 * 1024)	/* no line may be longer */

_Static_assert(LOG_BUFFER_SIZE > STREAM_BUFFER_SIZE + 24,
	       "a numbered line has to fit into the log's buffer");

typedef unsigned long long u64;

/* The latest summary line: the kernel's own account of the recording so far. */
struct summary {
	char *line;
	size_t len;
	u64 recorded, retries, dropped, overwritten, missed;
	u64 major, children;		/* 0 if not watched */
	bool exited;
};

/* What the log holds. */
struct content {
	u64 nr_faults;
	u64 first_ns, last_ns;
};

/* `%4d:: ` before a fault line, kept as text: adding one is cheaper than printing it. */
struct counter {
	char text[24];			/* right-aligned */
	char *start, *units, *end;
};

struct stream {
	char *path;
	int fd;
	bool regular;			/* read() never sleeps; so it is with /proc */
	enum { READING, DONE, FAILED } state;
	bool cut;			/* it broke off; the log ends before that */
	bool between;			/* two drains: the latest line was EXIT_CODE */
	bool last_drain;		/* the target has exited: take what there is, then end */
	bool at_eof;			/* the latest read() gave nothing */
	unsigned int nr_drains;

	struct content now;
	struct content whole;		/* as of the latest summary */
	off_t whole_size;		/* of the log then */
	struct summary sum;
	struct counter counter;
	char pid[16], comm[72];

	size_t in_len;
	char in[STREAM_BUFFER_SIZE];
	struct log log;
};

/**
 * stream_open() - Open what is to be read.
 * @s: all zero
 * @path: of the stream
 *
 * Return: 0, or -1 with errno.
 */
int stream_open(struct stream *s, char *path);

/* Reads once, and takes the whole lines. Where the stream ends or breaks off, s->state tells. */
void stream_read(struct stream *s);

/* The summary goes in last, unless a drain that it knows nothing of has begun. Returns 0 or -1. */
int stream_finish(struct stream *s);

#endif
