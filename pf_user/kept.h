/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kept - logs that are kept: COMMAND-PID.pf_probe_X.log. To the newest of them pf_probe_X.log is a
 * hard link
 */
#ifndef PF_USER_KEPT_H
#define PF_USER_KEPT_H

#include <stdbool.h>
#include <sys/types.h>

#define KEPT_LABEL_SIZE	64

/* The logs in a folder. */
struct kept {
	size_t nr;
	off_t size;		/* of all, in bytes */
	bool is_partial;	/* there are more, or the folder cannot be read */
};

/* Is it pf_probe_A, B or C: does its log get a name of its own? */
bool kept_is_module(const char *base);

/**
 * kept_label() - Make the first part of a log's name, COMMAND-PID.
 * @label: the result, KEPT_LABEL_SIZE bytes
 * @command: any text; \ooo in it is one character. It is cut to 40 characters, and others than
 * A-Z a-z 0-9 . _ + - are replaced, also . and - if they are the first
 * @pid: digits; anything else is taken as 0
 */
void kept_label(char *label, const char *command, const char *pid);

/**
 * kept_take_name() - Rename a file to the first name that is free.
 * @dir: the folder
 * @from: its present name
 * @label: of kept_label()
 * @link: pf_probe_X.log
 *
 * Tries LABEL.pf_probe_X.log, then LABEL-2.pf_probe_X.log and so on.
 *
 * Return: the name, which the caller frees, or NULL and errno.
 */
char *kept_take_name(int dir, const char *from, const char *label, const char *link);

/*
 * Makes @link a link to the file @fd. If another log has no other name, that one is renamed to
 * earlier-N.pf_probe_X.log. Returns 0, or -1 after a message.
 */
int kept_link(int dir, int fd, const char *link);

/*
 * Counts the logs in the folder that belong to the owner of @fd, and removes the oldest of them
 * beyond @max; 0: none. The log @fd counts as the newest.
 */
struct kept kept_count(int dir, int fd, size_t max);

#endif
