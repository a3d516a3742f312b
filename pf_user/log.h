/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log - the file that a stream becomes: it appears under its name when it is whole. */
#ifndef PF_USER_LOG_H
#define PF_USER_LOG_H

#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

#define LOG_BUFFER_SIZE	(512 * 1024)

struct log {
	char *name;
	char *tmp_name;			/* NULL if written in place: pipes, devices */
	int fd;
	bool failed;
	off_t size;			/* what was put in, the buffered text too */
	size_t len;
	char buffer[LOG_BUFFER_SIZE];
};

/**
 * log_open() - Begin a log.
 * @log: all zero
 * @output: its name, "-" for standard output, or NULL for the usual one of the stream
 * @stream_path: what it is the log of
 *
 * Return: 0; -1 after a message, to be followed by log_discard().
 */
int log_open(struct log *log, const char *output, const char *stream_path);

/* Writes out what is buffered. A failure is told, and noted in log->failed. */
void log_flush(struct log *log);

/* Takes back what was put in behind the first `size` bytes. Returns -1 if they have left. */
int log_cut(struct log *log, off_t size);

/* Gives the log its name. Returns -1 after a message, the log being discarded then. */
int log_finish(struct log *log);

void log_discard(struct log *log);

/* @len: at most LOG_BUFFER_SIZE */
static inline void log_put(struct log *log, const char *text, size_t len)
{
	if (len > LOG_BUFFER_SIZE - log->len)
		log_flush(log);
	memcpy(log->buffer + log->len, text, len);
	log->len += len;
	log->size += (off_t)len;
}

#endif
