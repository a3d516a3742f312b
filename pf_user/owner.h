/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owner - for whom this runs, whose files are taken for the user's own, and which files nobody else
 * can change. SECURITY.md has the rules.
 */
#ifndef PF_USER_OWNER_H
#define PF_USER_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

/* As root: SUDO_UID and SUDO_GID are both numbers or both absent; else -1 after a message. */
int owner_check(void);

/* Is this root by sudo? Then by whom. */
bool sudo_user(uid_t *uid, gid_t *gid);

/* The user for whom this runs: the one behind sudo, else the one that we are. */
bool owner_is_user(uid_t uid);

/* That user, or the one that we are. */
bool owner_is_ours(uid_t uid);

/*
 * For good: this process is that user's, with the groups that this user has and no capability.
 * Returns 0, or -1 and errno: then it must not go on.
 */
int owner_become(uid_t uid, gid_t gid);

/**
 * owner_alone() - Can nobody but root and the user change this file or folder?
 * @fd: it; O_PATH is enough
 *
 * It belongs to one of the two, and neither its mode nor an ACL lets others write; and who it
 * belongs to is not what another user's file system (FUSE) says. A group that has
 * the user's name and no other member is not others: on some distributions each user has one, and
 * writes for it by default.
 */
bool owner_alone(int fd);

/*
 * Does this file have an ACL? Then the group's bits of its mode are the most that any entry of the
 * ACL allows, not the rights of its group. True, too, if that can't be found out.
 */
bool owner_has_acl(int fd);

/* It is root's, and nobody else can write: no name in such a folder can be exchanged. */
bool owner_roots_alone(int fd);

#endif
