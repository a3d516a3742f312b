/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * place - gives a file its name in a folder, where other users may create files at any moment. A
 * file of another user is never replaced (see SECURITY.md).
 */
#ifndef PF_USER_PLACE_H
#define PF_USER_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

#define PLACE_OF_OTHERS	1	/* another user's file has the name */

bool place_is_same(const struct stat *a, const struct stat *b);

/* Is this name in the folder the file that is open as @fd? Symbolic links are not followed. */
bool place_leads_to(int dir, const char *name, int fd);

/* The text, a dot and 16 digits that nobody can guess; the caller frees it. */
char *place_random_name(const char *begin);

/**
 * place_replace() - Rename a file in its folder, and replace an older file of our own.
 * @dir: the folder
 * @from: the name that it has, without a slash
 * @to: the name that it gets
 *
 * Return: 0, PLACE_OF_OTHERS, or -1 and errno. Then the file still has the name @from.
 */
int place_replace(int dir, const char *from, const char *to);

/*
 * Renames a file in its folder. If the new name exists, fails with EEXIST. Returns 0, or -1 and
 * errno.
 */
int place_new(int dir, const char *from, const char *to);

/**
 * place_link() - Give an open file one more name, a hard link.
 * @dir: the folder of both names
 * @fd: the file; whatever has its names now, this is the file that gets linked
 * @to: the name. A file of our own that has it loses it
 * @save: called for a file that has no other name than @to, so that its contents would be lost.
 * Gives the file that has the name @from now another name; returns 0, or -1 and errno
 *
 * Return: 0, PLACE_OF_OTHERS, or -1 and errno. Then @to is what it was.
 */
int place_link(int dir, int fd, const char *to, int (*save)(int dir, const char *from));

#endif
