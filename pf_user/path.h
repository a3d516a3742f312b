/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path - names that are followed step by step, by descriptors: what was looked at is what is used,
 * however names change meanwhile.
 *
 * A symbolic link on the way is followed if it belongs to root or to the user (see owner.h). One of
 * the user's leads root to a folder of that user only: any program of the user can make a link.
 */
#ifndef PF_USER_PATH_H
#define PF_USER_PATH_H

#include <stdbool.h>

/* Returns a folder (O_PATH), or -1; path_error() says why. */
int path_open_dir(const char *name);

/**
 * path_look() - What a name in a folder leads to.
 * @dir_fd: the folder
 * @base: the name, without a slash
 * @by_link: set if it is a symbolic link. As root only root's own are followed, and in folders that
 * nobody else can change, as /dev/stdout; another one is ELOOP, as is one that leads to nothing
 *
 * Return: a descriptor (O_PATH), or -1; path_error() says why.
 */
int path_look(int dir_fd, const char *base, bool *by_link);

/* Opens for use what was looked at, whatever has its name now. Returns -1 and errno. */
int path_reopen(int fd, int flags);

/* path_open_dir(), path_look() and path_reopen() of a file. Returns -1; path_error() says why. */
int path_open(const char *name, int flags);

/* Why the latest of these failed, in words; errno is set, too. */
const char *path_error(void);

/* The part of the name behind its last slash. */
const char *path_base(const char *name);

#endif
