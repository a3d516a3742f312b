/* SPDX-License-Identifier: GPL-2.0-or-later */
/* owner - to whom belongs what is made here: under sudo, to who typed it. */
#ifndef PF_USER_OWNER_H
#define PF_USER_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

/* Is this root by sudo? Then by whom. */
bool sudo_user(uid_t *uid, gid_t *gid);

/* May a run by this user take a file or folder that belongs to @uid for its own? */
bool owner_is_ours(uid_t uid);

#endif
