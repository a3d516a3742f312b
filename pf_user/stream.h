/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream - reads /proc/pf_probe_X and writes the log
 *
 * A stream consists of drains. The first has a head line, fault lines, a summary line, EXIT_CODE
 * and an end of file. Later reads give the next drain: the new faults, a new summary, EXIT_CODE.
 * The log has the same lines, but the fault lines are numbered, only the latest summary is kept, as
 * the last line, and there is no EXIT_CODE.
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
	       "a numbered line must fit into the log's buffer");

/* The latest summary line: what the module has counted so far. */
struct summary {
	char *line;
	size_t len;
	u64 recorded, retries, dropped, overwritten, missed;
	u64 minor, major, failed;	/* if has_results */
	u64 children;			/* 0 without children=1 */
	u64 unseen;			/* faults that only the kernel counted */
	u64 surplus;			/* recorded faults beyond the kernel's count */
	u64 names_lost;			/* faults whose file could not be named */
	u64 offsets_lost;		/* faults in a file that have no offset */
	u64 maps_lost;			/* lines about address spaces that are missing */
	u64 files_lost;			/* areas of which the file is not known */
	u64 incomplete;			/* recorded, but not completed; if !has_results */
	bool has_results;
	bool exited;
	bool disarmed;			/* the hook is not in the kernel's code at the moment */
};

/* `%4d:: ` before a fault line, as text: adding one is faster than printf(). */
struct counter {
	char text[24];			/* right-aligned */
	char *start, *units, *end;
};

struct stream {
	char *path;
	int fd;
	bool regular;			/* read() does not sleep; true for /proc */
	enum { READING, DONE, FAILED } state;
	bool cut;			/* it ended in the middle of a drain */
	bool between;			/* between drains: the latest line was EXIT_CODE */
	bool last_drain;		/* the target has exited: read this drain, then end */
	bool at_eof;			/* the latest read() returned 0 */
	unsigned int nr_drains;

	u64 nr_faults;			/* in the log */
	u64 whole_nr_faults;		/* at the latest summary */
	off_t whole_size;		/* the log's size there, in bytes */
	struct fault fault;		/* the latest */
	struct tally tally;		/* of the log's faults; invalid if !has_tally */
	bool has_tally;
	struct activity *activity;	/* counts faults for the live view, or NULL */
	struct programs *programs;	/* for its keys, or NULL */
	struct summary sum;
	struct counter counter;
	char pid[16], comm[72];
	u64 run_ns;			/* how long the command ran; 0: not known */

	size_t in_len;
	char in[STREAM_BUFFER_SIZE + FAULT_SLACK];
	struct log log;
};

/**
 * stream_open() - Open a stream.
 * @s: all zero
 * @path: its file; symbolic links are followed as path.h says
 *
 * Return: 0, or -1; path_error() gives the reason.
 */
int stream_open(struct stream *s, char *path);

/* Reads once, and takes the whole lines. Sets s->state if the stream has ended. */
void stream_read(struct stream *s);

/*
 * Ends the log with the summary, unless a new drain has begun after that. Returns 0, or -1 after a
 * message if the log is not complete.
 */
int stream_finish(struct stream *s);

#endif
