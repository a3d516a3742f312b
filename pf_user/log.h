/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log - the file that a stream becomes
 *
 * It grows as NAME.part, locked, and gets its name when it is whole. Until then it is root's under
 * sudo: the traced command, which runs as the user, can neither read nor write it. A part that is
 * not locked was left by a run that was killed: it is told and set aside, never written over.
 */
#ifndef PF_USER_LOG_H
#define PF_USER_LOG_H

#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

#ifndef LOG_BUFFER_SIZE
#define LOG_BUFFER_SIZE	(512 * 1024)
#endif

struct log {
	char *name;
	char *part_name;		/* NULL if written in place: pipes, devices */
	int dir_fd;			/* where the two are */
	int fd;
	uid_t uid;			/* whose it is to be when it is whole; -1: as it is */
	gid_t gid;
	mode_t mode;
	bool failed;
	bool renamed;			/* it has its final name, whatever came then */
	off_t size;			/* what was put in, the buffered text too */
	size_t len;
	char buffer[LOG_BUFFER_SIZE];	/* begins at the beginning of a line */
};

/**
 * log_open() - Begin a log.
 * @log: all zero
 * @output: its name, "-" for standard output, or NULL for the usual one of the stream
 * @stream_path: what it is the log of
 *
 * A new one is its owner's (see owner.h) and private, as the streams are; one that is there already
 * keeps its owner and mode if nobody else can write in its folder. Files of other users are left
 * alone. Names are followed as path.h says.
 *
 * Return: 0, or -1 after a message, nothing being left behind.
 */
int log_open(struct log *log, const char *output, const char *stream_path);

/* Writes out what is buffered. A failure is told, and noted in log->failed. */
void log_flush(struct log *log);

/* Takes back what was put in behind the first `size` bytes. Returns -1 if that can't be. */
int log_cut(struct log *log, off_t size);

/*
 * Gives the log its name and owner. Returns -1 after a message; what was written stays in the part
 * then, up to the last whole line.
 */
int log_finish(struct log *log);

/* The log is not whole: what there is stays in the part, and is told. */
void log_keep_part(struct log *log);

/* Nothing of it stays. */
void log_discard(struct log *log);

/* Room for `len` bytes, at most LOG_BUFFER_SIZE: to be called at the beginning of a line. */
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
