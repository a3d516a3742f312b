/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * part - the file NAME.part, in which a log grows until it is complete (see log.h)
 *
 * The traced command may remove or rename it, or its folder, at any moment.
 */
#ifndef PF_USER_PART_H
#define PF_USER_PART_H

#include <stdbool.h>
#include <sys/stat.h>

#include "log.h"

/*
 * The owner and mode that the log gets when it is complete. Those of an older log are kept if
 * nobody else can have put it there, but not an ACL. @old, @fd: the older log, O_PATH; or NULL, -1
 */
void part_choose_owner(struct log *log, const struct stat *old, int fd);

/*
 * Creates the part, and locks it. Moves away a part that a killed run has left. Returns 0, or -1
 * after a message.
 */
int part_open(struct log *log);

/* Has the file @fd the part's name now? */
bool part_is(const struct log *log, int fd);

/* If the part was removed or renamed, copies it to a new one. Returns 0, or -1 after a message. */
int part_hold(struct log *log);

/*
 * Gives the part its owner and this mode. Some file systems do not allow that: then it remains
 * root's. If it has got an ACL from its folder, the group's bits would be the mask of that ACL.
 */
void part_give(const struct log *log, mode_t mode);

/* Some file systems report a failed write only at close(). Returns 0, or -1 and errno. */
int close_copy(int fd);

#endif
