/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path - opens files step by step through descriptors, so that the file that was checked is the one
 * that is used, even if names change meanwhile.
 *
 * A symbolic link in a path is followed if it belongs to root or to the user (see owner.h). If it
 * belongs to the user, root follows it only to a folder of that user, because any program of the
 * user can make a link.
 */
#ifndef PF_USER_PATH_H
#define PF_USER_PATH_H

#include <stdbool.h>

/* Opens a folder (O_PATH). Returns the descriptor, or -1; path_error() gives the reason. */
int path_open_dir(const char *name);

/**
 * path_look() - Open the file with this name in a folder, to look at it.
 * @dir_fd: the folder
 * @base: the name, without a slash
 * @by_link: set if the name is a symbolic link. Root follows only links that belong to root, in
 * folders that nobody else can change, such as /dev/stdout. Other links, and those without a
 * target, fail with ELOOP
 *
 * Return: a descriptor (O_PATH), or -1; path_error() gives the reason.
 */
int path_look(int dir_fd, const char *base, bool *by_link);

/* Opens the file of an O_PATH descriptor, whatever has its name now. Returns -1 and errno. */
int path_reopen(int fd, int flags);

/* As open(), by the three above. Returns -1 after an error; path_error() gives the reason. */
int path_open(const char *name, int flags);

/* The reason why the latest of these failed; errno is set, too. */
const char *path_error(void);

/* The part of the name after its last slash. */
const char *path_base(const char *name);

#endif
