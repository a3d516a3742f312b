/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owner - the user for whom this program runs, the owners that it trusts, and the files that nobody
 * else can change. The rules are in SECURITY.md.
 */
#ifndef PF_USER_OWNER_H
#define PF_USER_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

/* Returns 0 if, as root, SUDO_UID and SUDO_GID are both numbers or both unset; else -1. */
int owner_check(void);

/* Does this run as root under sudo? Then gets the user who ran sudo. */
bool sudo_user(uid_t *uid, gid_t *gid);

/* Is it the user who ran sudo, or without sudo our own user? */
bool owner_is_user(uid_t uid);

/* Is it that user, or our own effective user? */
bool owner_is_ours(uid_t uid);

/*
 * Changes this process for good to that user, with that user's groups and without capabilities.
 * Returns 0, or -1 and errno: then the process must exit.
 */
int owner_become(uid_t uid, gid_t gid);

/*
 * The same, but only for access to files. The process still belongs to root, so the user cannot
 * stop it by a signal.
 */
int owner_make_files_as(uid_t uid, gid_t gid);

/**
 * owner_alone() - Can nobody but root and the user change this file or folder?
 * @fd: the file or folder; O_PATH is enough
 *
 * True if it belongs to one of the two, neither its mode nor an ACL lets others write, and it is
 * not on a FUSE file system of another user. A group with the user's name and without other members
 * may write: on some distributions each user has such a group, and umask lets it write.
 */
bool owner_alone(int fd);

/*
 * Does this file have an ACL? Then the group's bits of its mode are the ACL's mask, not the rights
 * of its group. Also true if that is unknown.
 */
bool owner_has_acl(int fd);

/* Does it belong to root, and nobody else can write? Then nobody else can rename files in it. */
bool owner_roots_alone(int fd);

#endif
