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

#include "activity.h"
#include "log.h"
#include "tally.h"

#ifndef STREAM_BUFFER_SIZE
#define STREAM_BUFFER_SIZE	(256 * 1024)	/* no line may be longer */
#endif

_Static_assert(LOG_BUFFER_SIZE > STREAM_BUFFER_SIZE + 24,
	       "a numbered line has to fit into the log's buffer");

/* The latest summary line: the kernel's own account of the recording so far. */
struct summary {
	char *line;
	size_t len;
	u64 recorded, retries, dropped, overwritten, missed;
	u64 minor, major, failed;	/* if has_results */
	u64 children;			/* 0 if not watched */
	u64 unseen;			/* faults of the kernel's count that are nowhere in ours */
	u64 surplus;			/* recorded beyond the kernel's count */
	u64 names_lost;			/* faults whose file could not be named */
	u64 incomplete;			/* recorded, never completed; if not has_results */
	bool has_results;
	bool exited;
	bool disarmed;			/* the probe is not in the code at the moment */
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

	u64 nr_faults;			/* in the log */
	u64 whole_nr_faults;		/* as of the latest summary ... */
	off_t whole_size;		/* ... and the log's size then, in bytes */
	struct fault fault;		/* the latest */
	struct tally tally;		/* of the log's faults; no longer if !has_tally */
	bool has_tally;
	struct activity *activity;	/* where else to count faults, NULL: nowhere */
	struct summary sum;
	struct counter counter;
	char pid[16], comm[72];

	size_t in_len;
	char in[STREAM_BUFFER_SIZE + FAULT_SLACK];
	struct log log;
};

/**
 * stream_open() - Open what is to be read.
 * @s: all zero
 * @path: of the stream, followed as path.h says
 *
 * Return: 0, or -1; path_error() says why.
 */
int stream_open(struct stream *s, char *path);

/* Reads once, and takes the whole lines. Where the stream ends or breaks off, s->state tells. */
void stream_read(struct stream *s);

/*
 * Ends the log: the summary goes in last, unless a drain that it knows nothing of has begun.
 * Returns 0, or -1 if it could not be whole, all having been told.
 */
int stream_finish(struct stream *s);

#endif
