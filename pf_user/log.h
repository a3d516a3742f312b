/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log - the file that the faults of a stream are written to
 *
 * While it grows its name is NAME.part, and it is locked. It gets its own name when it is complete.
 * Under sudo it belongs to root until then: the traced command, which runs as the user, can neither
 * read nor write it. A part that is not locked was left by a run that was killed. It is renamed,
 * and a message gives its new name; it is never overwritten.
 */
#ifndef PF_USER_LOG_H
#define PF_USER_LOG_H

#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

#include "kept.h"

#ifndef LOG_BUFFER_SIZE
#define LOG_BUFFER_SIZE	(512 * 1024)
#endif

struct log {
	char *name;
	char *part_name;		/* NULL for a pipe or device, which is written in place */
	int dir_fd;			/* the folder of both */
	int fd;
	uid_t uid;			/* the owner when it is complete; -1: do not change it */
	gid_t gid;
	mode_t mode;
	bool failed;
	bool renamed;			/* it has its own name */
	char label[KEPT_LABEL_SIZE];	/* COMMAND-PID, to be set if is_kept */
	bool is_kept;			/* it gets a name of its own, and replaces no log */
	char *link;			/* pf_probe_X.log, once the log has another name */
	struct kept kept;		/* when it is complete: the logs in its folder */
	off_t size;			/* including the text in the buffer */
	size_t len;
	char buffer[LOG_BUFFER_SIZE];	/* starts at the start of a line */
};

/**
 * log_open() - Begin a log.
 * @log: all zero
 * @output: its name, "-" for standard output, or NULL for the default name of the stream. If that
 * is pf_probe_X, the log is kept, and log_finish() gives it a name of its own (see kept.h)
 * @stream_path: the stream
 *
 * A new log belongs to the user (see owner.h) and is private, as the streams are. An existing log
 * keeps its owner and mode if nobody else can write in its folder. Files of other users are not
 * touched. Symbolic links are followed as path.h says.
 *
 * Return: 0, or -1 after a message; then no new file is left.
 */
int log_open(struct log *log, const char *output, const char *stream_path);

/* Writes the buffer. After an error there is a message, and log->failed is set. */
void log_flush(struct log *log);

/* Cuts the log to its first `size` bytes. Returns 0, or -1 if that is not possible. */
int log_cut(struct log *log, off_t size);

/*
 * Gives the log its name and owner. Returns 0, or -1 after a message; then the part keeps what was
 * written, up to the last whole line.
 */
int log_finish(struct log *log);

/* For a log that is not complete: keeps the part, and a message gives its name. */
void log_keep_part(struct log *log);

/* Removes the part. */
void log_discard(struct log *log);

/* Closes its files, and frees its names. */
void log_close(struct log *log);

/* Makes room for `len` bytes, at most LOG_BUFFER_SIZE. Only at the start of a line. */
static inline void log_reserve(struct log *log, size_t len)
{
	if (len > LOG_BUFFER_SIZE - log->len)
		log_flush(log);
}

static inline void log_put(struct log *log, const char *text, size_t len)
{
	memcpy(log->buffer + log->len, text, len);
	log->len += len;
	log->size += (off_t)len;
}

#endif
